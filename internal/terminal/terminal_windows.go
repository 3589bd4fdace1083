package terminal

import (
	"os"

	"golang.org/x/sys/windows"
)

// Open opens the console.
func Open() (*os.File, error) { return os.OpenFile("CONIN$", os.O_RDWR, 0) }

// InForeground is always true: Windows stops no process for reading from its console.
func InForeground(*os.File) bool { return true }

// prepare leaves the line editing to the console, which does not cut lines, and decides only whether it
// shows them.
func prepare(f *os.File, echo bool, _ func()) (*keys, func(), error) {
	console := windows.Handle(f.Fd())
	var former uint32
	if err := windows.GetConsoleMode(console, &former); err != nil {
		return nil, nil, err
	}
	mode := former | windows.ENABLE_LINE_INPUT | windows.ENABLE_PROCESSED_INPUT
	if !echo {
		mode &^= windows.ENABLE_ECHO_INPUT
	}
	if err := windows.SetConsoleMode(console, mode); err != nil {
		return nil, nil, err
	}
	return nil, func() { _ = windows.SetConsoleMode(console, former) }, nil
}
