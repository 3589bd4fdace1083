package coredump

// Disable does nothing: Windows Error Reporting writes dumps only if an administrator configured it to.
func Disable() {}

// Allow does nothing.
func Allow() {}
