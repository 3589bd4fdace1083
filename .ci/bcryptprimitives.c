// What Wine 8 lacks for a Go program. Go loads bcryptprimitives.dll first of all; this one stands in for
// it, and mends functions that programs look up later. Wine's own code still calls the old ones.
#include <windows.h>
#include <wincred.h>
#include <winternl.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length); // RtlGenRandom

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length)
{
	const SIZE_T most = 1 << 30; // RtlGenRandom counts in 32 bits
	for (; length > most; buffer += most, length -= most)
		if (!SystemFunction036(buffer, most))
			return FALSE;
	return SystemFunction036(buffer, (ULONG)length);
}

// NtSetInformationFile: os.RemoveAll, and t.TempDir with it, deletes with FileDispositionInformationEx,
// and in another way where that is an invalid information class, as in old versions of Windows. Wine does
// not know it either, but says "not implemented", and RemoveAll fails.

static NTSTATUS(NTAPI *setInformationFile)(HANDLE, PIO_STATUS_BLOCK, PVOID, ULONG, ULONG);

static NTSTATUS NTAPI setKnownInformationFile(HANDLE file, PIO_STATUS_BLOCK status, PVOID information, ULONG length, ULONG class)
{
	enum { dispositionEx = 64, renameEx = 65 };
	if (class == dispositionEx || class == renameEx)
		return (NTSTATUS)0xC0000003; // STATUS_INVALID_INFO_CLASS
	return setInformationFile(file, status, information, length, class);
}

// The Credential Manager: Windows reads and writes an item as a whole. Wine keeps it in several values of
// the registry, and who reads while another writes is told that the registry is corrupt. So one call waits
// for the other.

static HANDLE credentials;

static void enter(void) { WaitForSingleObject(credentials, INFINITE); }

static BOOL leave(BOOL result)
{
	DWORD error = GetLastError();
	ReleaseMutex(credentials);
	SetLastError(error);
	return result;
}

static BOOL(WINAPI *credRead)(LPCWSTR, DWORD, DWORD, PCREDENTIALW *);
static BOOL(WINAPI *credWrite)(PCREDENTIALW, DWORD);
static BOOL(WINAPI *credDelete)(LPCWSTR, DWORD, DWORD);
static BOOL(WINAPI *credEnumerate)(LPCWSTR, DWORD, DWORD *, PCREDENTIALW **);

static BOOL WINAPI readWhole(LPCWSTR target, DWORD type, DWORD flags, PCREDENTIALW *credential)
{
	enter();
	return leave(credRead(target, type, flags, credential));
}

static BOOL WINAPI writeWhole(PCREDENTIALW credential, DWORD flags)
{
	enter();
	return leave(credWrite(credential, flags));
}

static BOOL WINAPI deleteWhole(LPCWSTR target, DWORD type, DWORD flags)
{
	enter();
	return leave(credDelete(target, type, flags));
}

static BOOL WINAPI enumerateWhole(LPCWSTR filter, DWORD flags, DWORD *count, PCREDENTIALW **list)
{
	enter();
	return leave(credEnumerate(filter, flags, count, list));
}

// place returns memory that an offset of 32 bits from the start of a module reaches.
static BYTE *place(BYTE *module, SIZE_T size)
{
	const SIZE_T step = 1 << 20, reach = 1u << 31;
	BYTE *found = NULL;
	for (SIZE_T offset = step; offset < reach && !found; offset += step)
		found = VirtualAlloc(module + offset, size, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE);
	return found;
}

// export makes a module offer a replacement under a function's name, and sets original, a pointer to a
// function, to what it offered before.
static BOOL export(const char *dll, const char *name, void *replacement, void *original)
{
	BYTE *module = (BYTE *)GetModuleHandleA(dll), *stub;
	IMAGE_NT_HEADERS *headers = (IMAGE_NT_HEADERS *)(module + ((IMAGE_DOS_HEADER *)module)->e_lfanew);
	IMAGE_EXPORT_DIRECTORY *exports = (IMAGE_EXPORT_DIRECTORY *)(module + headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_EXPORT].VirtualAddress);
	DWORD *functions = (DWORD *)(module + exports->AddressOfFunctions);
	DWORD *names = (DWORD *)(module + exports->AddressOfNames);
	WORD *ordinals = (WORD *)(module + exports->AddressOfNameOrdinals);
	FARPROC before = GetProcAddress((HMODULE)module, name);

	for (DWORD i = 0; i < exports->NumberOfNames; i++) {
		static const BYTE jump[] = {0xff, 0x25, 0, 0, 0, 0}; // jmp [rip+0], to the address behind it
		DWORD *function = &functions[ordinals[i]], protection;
		if (lstrcmpA((char *)module + names[i], name))
			continue;
		if (!before || !(stub = place(module, sizeof jump + sizeof replacement)))
			return FALSE;
		memcpy(stub, jump, sizeof jump);
		memcpy(stub + sizeof jump, &replacement, sizeof replacement);
		memcpy(original, &before, sizeof before);
		if (!VirtualProtect(function, sizeof *function, PAGE_READWRITE, &protection))
			return FALSE;
		*function = (DWORD)(stub - module);
		return VirtualProtect(function, sizeof *function, protection, &protection);
	}
	return FALSE;
}

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID reserved)
{
	(void)self;
	(void)reserved;
	if (reason != DLL_PROCESS_ATTACH)
		return TRUE;
	credentials = CreateMutexA(NULL, FALSE, "tokencli-test-credentials");
	return credentials &&
		export("ntdll.dll", "NtSetInformationFile", setKnownInformationFile, &setInformationFile) &&
		export("advapi32.dll", "CredReadW", readWhole, &credRead) &&
		export("advapi32.dll", "CredWriteW", writeWhole, &credWrite) &&
		export("advapi32.dll", "CredDeleteW", deleteWhole, &credDelete) &&
		export("advapi32.dll", "CredEnumerateW", enumerateWhole, &credEnumerate);
}
