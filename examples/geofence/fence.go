package main

import (
	"math"

	"github.com/takhost/takhost/sdk"
)

// fence is a circle on the ground. Those of the config stand there, those made by REST
// are documents in the same JSON.
type fence struct {
	id, name string
	lat, lon float64 // degrees
	radius   float64 // metres
	alert    string  // onEnter or onLeave
}

const (
	onEnter = "enter"
	onLeave = "leave"
)

// readFence takes a fence out of a config, a request or a document. What is wrong with
// it, in's Err tells.
func readFence(id string, in sdk.Fields) fence {
	return fence{
		id: id, name: in.TextOr("name", id), lat: in.Float("lat"), lon: in.Float("lon"),
		radius: in.Float("radius"), alert: in.TextOr("alert", onEnter, sdk.OneOf(onEnter, onLeave)),
	}
}

func (f *fence) write(j *sdk.JSON) {
	j.Object().Key("id").Text(f.id).Key("name").Text(f.name).Key("lat").Float(f.lat).Key("lon").Float(f.lon).
		Key("radius").Float(f.radius).Key("alert").Text(f.alert).End()
}

// fences gives all: those of the config, then those made by REST.
func (p *plugin) fences(c *sdk.Call) ([]fence, error) {
	list := p.fixed[:len(p.fixed):len(p.fixed)]
	for d, err := range c.Collection("fences").Query().All() {
		if err != nil {
			return nil, err
		}
		in, err := sdk.ParseJSON(d.Body)
		if err != nil {
			return nil, err
		}
		// A fence of the config hides one made by REST before.
		if f := readFence(d.ID, in); find(p.fixed, f.id) == nil {
			list = append(list, f)
		}
		if err := in.Err(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func find(list []fence, id string) *fence {
	for i := range list {
		if list[i].id == id {
			return &list[i]
		}
	}
	return nil
}

// holds says whether a place is inside, on a sphere: good to half a per cent.
func (f *fence) holds(lat, lon float64) bool {
	const earth, degree = 6_371_008.8, math.Pi / 180
	dlat, dlon := (lat-f.lat)*degree, (lon-f.lon)*degree
	if math.Abs(dlat)*earth > f.radius {
		return false // the usual case, without the sines
	}
	s, t := math.Sin(dlat/2), math.Sin(dlon/2)
	h := s*s + math.Cos(lat*degree)*math.Cos(f.lat*degree)*t*t
	return 2*earth*math.Asin(math.Min(1, math.Sqrt(h))) <= f.radius
}
