// What Wine 8 lacks for a Go program. Go loads bcryptprimitives.dll first of all; this one stands in for it.
#include <windows.h>
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

// os.RemoveAll deletes with FileDispositionInformationEx, and in another way where that is an invalid
// information class, as in old versions of Windows. Wine 8 does not know it either, but says "not
// implemented", and RemoveAll, t.TempDir with it, fails. So NtSetInformationFile is made to answer as
// an old Windows does.

typedef NTSTATUS(NTAPI *setter)(HANDLE, PIO_STATUS_BLOCK, PVOID, ULONG, ULONG);

enum {
	dispositionEx = 64,
	renameEx = 65,
	functionSize = 32, // of a system call in Wine's ntdll, which may be copied elsewhere
};

static setter wineSetInformationFile;

static NTSTATUS NTAPI setInformationFile(HANDLE file, PIO_STATUS_BLOCK status, PVOID information, ULONG length, ULONG class)
{
	if (class == dispositionEx || class == renameEx)
		return (NTSTATUS)0xC0000003; // STATUS_INVALID_INFO_CLASS
	return wineSetInformationFile(file, status, information, length, class);
}

static BOOL replaceSetInformationFile(void)
{
	// mov r10, rcx; mov eax, the call's number
	static const BYTE begin[] = {0x4c, 0x8b, 0xd1, 0xb8};
	// jmp [rip+0], with the address behind it
	BYTE jump[14] = {0xff, 0x25};
	setter replacement = setInformationFile;
	BYTE *original = (BYTE *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtSetInformationFile");
	BYTE *copy = VirtualAlloc(NULL, functionSize, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE);
	DWORD before;

	if (!original || !copy || memcmp(original, begin, sizeof begin))
		return FALSE;
	memcpy(copy, original, functionSize);
	wineSetInformationFile = (setter)copy;
	memcpy(jump + 6, &replacement, sizeof replacement);
	if (!VirtualProtect(original, sizeof jump, PAGE_EXECUTE_READWRITE, &before))
		return FALSE;
	memcpy(original, jump, sizeof jump);
	return VirtualProtect(original, sizeof jump, before, &before);
}

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID reserved)
{
	(void)self;
	(void)reserved;
	// Elsewhere than in Wine 8 the replacement may not fit, and then the program goes on without it.
	if (reason == DLL_PROCESS_ATTACH)
		replaceSetInformationFile();
	return TRUE;
}
