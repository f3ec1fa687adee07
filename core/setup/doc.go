// Package setup is for the time around a server's life: the first steps of an
// installation (Wizard, Plan), the take-over of a FreeTAKServer (ReadFTS), the
// unit of systemd (Unit), and the question of what is wrong with it (Doctor).
//
// It opens no listeners but to see whether a port is free, and speaks to no
// running server: what that says of itself is given to the doctor. Users and
// settings are written by opening the data folder in place of a server (Offline),
// which is refused while one runs.
//
// Nothing here is for use by several goroutines at once.
package setup
