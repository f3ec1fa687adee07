package hostapi

// GroupID names a routing group (the operator's "channel", not the team colour
// of <__group>). Ids are given once and never used again.
type GroupID int32

// SetID names an interned set of groups. Two equal sets have the same SetID;
// zero is the empty set, which intersects nothing.
type SetID int32

// AnonGroup is the group __ANON__, in which everybody is, IN and OUT, who has
// no other group. Its id and the id of the set that holds it alone are fixed.
const (
	AnonGroup     GroupID = 1
	AnonSet       SetID   = 1
	AnonGroupName         = "__ANON__"
)
