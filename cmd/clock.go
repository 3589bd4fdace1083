package cmd

import "time"

// clock is the time that stored expiries are compared with. The soak test, a build with the tag soak, moves
// it.
var clock = time.Now
