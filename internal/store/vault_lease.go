package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
)

// Leaser is a shared store in which the mark of a refresh in progress is a lease: the process whose Claim succeeds may
// refresh, and the others wait until the mark is gone or too old.
type Leaser interface {
	Store
	// Lease reads the account's credential and the mark on it. If there is no credential, the error wraps
	// ErrNotFound.
	Lease(ctx context.Context, name account.Name) (*Lease, error)
	// Claim saves next with the mark of this process. If the record has changed in any way since the lease
	// was read, it changes nothing and the error wraps ErrChanged. The next Swap removes the mark.
	Claim(ctx context.Context, lease *Lease, next *credential.Credential) error
}

// Lease is a credential in a shared store and the mark of the process that is refreshing it, if there is one.
type Lease struct {
	Credential *credential.Credential

	Marked bool
	Host   string // of the mark
	PID    int
	// Mine says that the mark was made with this state folder: under the account's lock, its process is
	// dead.
	Mine bool
	// Since is when the mark was made, and Age how long ago, both by the clock of the server.
	Since time.Time
	Age   time.Duration

	// SavedAgo is how long ago the record was written, by the clock of the server.
	SavedAgo time.Duration

	record *vaultRecord
}

// holder is a mark as it is stored.
type holder struct {
	Host  string `json:"host"`
	PID   int    `json:"pid"`
	Nonce string `json:"nonce"` // of this mark: no two are equal
	State string `json:"state"` // the id of its state folder
}

func (h *holder) equal(other *holder) bool {
	return h == nil && other == nil || h != nil && other != nil && *h == *other
}

// Lease reads the credential and the mark on it. It is one request.
func (v *Vault) Lease(ctx context.Context, name account.Name) (*Lease, error) {
	record, err := v.read(ctx, name, true)
	if err != nil {
		return nil, err
	}
	if record.credential == nil {
		return nil, absent(name)
	}
	lease := &Lease{Credential: record.credential, SavedAgo: max(0, record.date.Sub(record.created)), record: record}
	if by := record.holder; by != nil {
		lease.Marked, lease.Host, lease.PID = true, redact.Scrub(by.Host, 80), by.PID
		lease.Since, lease.Age = record.created, max(0, record.date.Sub(record.created))
		id, err := readMachineID(v.options.StateDir)
		lease.Mine = err == nil && by.State == id
	}
	return lease, nil
}

// Claim marks the record for this process.
func (v *Vault) Claim(ctx context.Context, lease *Lease, next *credential.Credential) error {
	id, err := machineID(v.options.StateDir)
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // for messages only
	_, err = v.write(ctx, next, &holder{Host: host, PID: os.Getpid(), Nonce: rand.Text(), State: id}, lease.record)
	return err
}

const machineFile = "machine-id"

// machineID returns the random id of a state folder, which it creates if needed. It is bound to the file
// itself and to the boot of the machine: a copy of the folder, as a CI cache makes, is another machine.
func machineID(dir string) (string, error) {
	id, err := readMachineID(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	if err := safefile.EnsureDir(dir); err != nil {
		return "", err
	}
	if err := safefile.Create(filepath.Join(dir, machineFile), []byte(rand.Text()+"\n")); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return readMachineID(dir)
}

func readMachineID(dir string) (string, error) {
	path := filepath.Join(dir, machineFile)
	text, err := safefile.Read(path, 1<<10, safefile.State)
	if err != nil {
		return "", err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return "", fail.New(fail.Store, "%s cannot be read", redact.Printable(path)).Advise(fail.DoCheckReadable, redact.Printable(path))
	}
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // Linux
	sum := sha256.Sum256(fmt.Append(text, string(boot), safefile.Identity(info)))
	return hex.EncodeToString(sum[:16]), nil
}
