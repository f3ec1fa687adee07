package main

import (
	"mime"
	"path/filepath"
	"strings"
)

// fileTypes are the content types of what TAK clients share, whatever the system
// knows of them.
var fileTypes = map[string]string{
	".zip": "application/zip", ".dpk": "application/x-zip-compressed",
	".kml": "application/vnd.google-earth.kml+xml", ".kmz": "application/vnd.google-earth.kmz",
	".gpx": "application/gpx+xml", ".geojson": "application/geo+json", ".json": "application/json",
	".cot": "application/xml", ".xml": "application/xml", ".pref": "application/xml",
	".csv": "text/csv", ".txt": "text/plain", ".md": "text/markdown", ".html": "text/html", ".pdf": "application/pdf",
	".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp",
	".heic": "image/heic", ".svg": "image/svg+xml", ".tif": "image/tiff", ".tiff": "image/tiff",
	".mp4": "video/mp4", ".mov": "video/quicktime", ".ts": "video/mp2t", ".mp3": "audio/mpeg", ".wav": "audio/wav",
	".sqlite": "application/vnd.sqlite3", ".mbtiles": "application/vnd.sqlite3", ".gpkg": "application/geopackage+sqlite3",
	".p12": "application/x-pkcs12", ".pem": "application/x-pem-file",
}

// packageType is what clients give data packages (spec/tak-marti.md 7).
const packageType = "application/x-zip-compressed"

// typeOf gives the content type that a name stands for.
func typeOf(name string, isPackage bool) string {
	if isPackage {
		return packageType
	}
	ext := strings.ToLower(filepath.Ext(name))
	if t, ok := fileTypes[ext]; ok {
		return t
	}
	if t, _, err := mime.ParseMediaType(mime.TypeByExtension(ext)); err == nil {
		return t // a charset that the system adds is a guess
	}
	return "application/octet-stream"
}
