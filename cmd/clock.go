package cmd

import "time"

// clock is the time of day wherever it is compared with what is kept. The soak, which is built with the
// tag of that name, moves it.
var clock = time.Now
