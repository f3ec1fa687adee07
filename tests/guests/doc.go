// Package guests builds the plugins of the tests, which lie in its folders, and
// packs versions of them. One build serves all versions of a plugin: they differ
// in their manifests, whose config tells the code which version it is to play.
package guests
