// Package scaffold is the tools of a plugin's author behind `takhost plugin new`, `build`
// and `test`: it writes a project that needs no network, compiles and packs a project,
// and runs its tests with the plugin as it will run, as WASM module or as process.
//
// It is not for the server: nothing here touches one. Its functions may be used at once
// for different folders.
package scaffold
