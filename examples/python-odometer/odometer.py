"""Counts how far each unit has moved, and marks every so many kilometres."""
import math

import takhost

plugin = takhost.Plugin("odometer", "1.0.0")


@plugin.events
def moved(call, event):
    before = call.get("units", event.uid)
    unit = before.json() if before else {"uid": event.uid, "metres": 0.0}
    if before and event.time > unit["time"]:
        step = metres(unit["lat"], unit["lon"], event.lat, event.lon)
        if step / (event.time - unit["time"]) * 1e6 > call.config["jump"]:
            call.log("a jump is not counted", uid=event.uid, metres=round(step))
            step = 0.0
        every = call.config["every"] * 1000
        if (unit["metres"] + step) // every > unit["metres"] // every:
            mark(call, event, int((unit["metres"] + step) // every * call.config["every"]))
        unit["metres"] += step
    unit.update(callsign=event.callsign, lat=event.lat, lon=event.lon, time=event.time)
    call.put("units", event.uid, unit, keys={"by-distance": [unit["metres"]]}, set=event.groups)


def mark(call, event, kilometres):
    """Puts a point on the map of those who see the unit."""
    call.emit(takhost.cot("%s.odometer.%d" % (event.uid, kilometres), "b-m-p-s-m", event.lat, event.lon, hae=event.hae,
                          callsign="%s: %d km" % (event.callsign, kilometres), how="m-g", time=call.now),
              takhost.to(event=event))


def metres(lat, lon, to_lat, to_lon):
    """The great circle between two positions."""
    a, b = math.radians(lat), math.radians(to_lat)
    h = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(to_lon - lon) / 2) ** 2
    return 2 * 6371008.8 * math.asin(math.sqrt(min(1.0, h)))


@plugin.http("list")
def list_units(call, request):
    # The server puts the documents in while it sends: no list is too long.
    return takhost.Response([
        takhost.Part(data=b"["),
        takhost.documents("units", "by-distance", descending=True, as_caller=True),
        takhost.Part(data=b"]"),
    ])


@plugin.http("reset")
def reset(call, request):
    uid = request.params["uid"]
    if not call.get_all("units", [uid], as_caller=True):
        raise takhost.Error("not_found", "there is no unit " + uid)
    call.delete("units", uid)
    return takhost.Response(None, 204)


plugin.run()
