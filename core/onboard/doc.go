// Package onboard makes what brings a phone to the server: data packages for
// ATAK, WinTAK and iTAK, enrolment links and their QR codes, the landing page
// that shows each client its own way in, a sheet to print, and device profiles.
//
// It is bytes in, bytes out: it opens no sockets, and files only by what it is
// given to open them with; it makes no certificates, and knows no users and no
// passwords but those it is given. The same input gives the same bytes, packages
// included. All functions are safe for concurrent use.
package onboard
