// Package storetest gives tests the databases that the store works with, so
// that both hold what one of them shows.
//
// PostgreSQL is the server named by TAK_TEST_POSTGRES (a postgres URL whose
// user may create databases) or, without it, one that a process of tests starts
// for itself in a temporary folder. Where neither is to be had, the test is
// skipped with a text that begins "left out: PostgreSQL". A package that uses
// it calls Main from its TestMain, which stops that server.
package storetest
