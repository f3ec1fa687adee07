package takproto

import (
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// schema is the protocol as spec/tak-streaming.md 5 lists it, for the protobuf
// library to read and write independently of this package.
var schema = map[string][]fieldDesc{
	"TakMessage": {
		{1, "takControl", "TakControl"}, {2, "cotEvent", "CotEvent"},
		{3, "submissionTime", "uint64"}, {4, "creationTime", "uint64"},
	},
	"TakControl": {
		{1, "minProtoVersion", "uint32"}, {2, "maxProtoVersion", "uint32"}, {3, "contactUid", "string"},
	},
	"CotEvent": {
		{1, "type", "string"}, {2, "access", "string"}, {3, "qos", "string"}, {4, "opex", "string"},
		{5, "uid", "string"}, {6, "sendTime", "uint64"}, {7, "startTime", "uint64"},
		{8, "staleTime", "uint64"}, {9, "how", "string"}, {10, "lat", "double"}, {11, "lon", "double"},
		{12, "hae", "double"}, {13, "ce", "double"}, {14, "le", "double"}, {15, "detail", "Detail"},
		{16, "caveat", "string"}, {17, "releaseableTo", "string"},
	},
	"Detail": {
		{1, "xmlDetail", "string"}, {2, "contact", "Contact"}, {3, "group", "Group"},
		{4, "precisionLocation", "PrecisionLocation"}, {5, "status", "Status"},
		{6, "takv", "Takv"}, {7, "track", "Track"},
	},
	"Contact":           {{1, "endpoint", "string"}, {2, "callsign", "string"}},
	"Group":             {{1, "name", "string"}, {2, "role", "string"}},
	"PrecisionLocation": {{1, "geopointsrc", "string"}, {2, "altsrc", "string"}},
	"Status":            {{1, "battery", "uint32"}},
	"Takv": {
		{1, "device", "string"}, {2, "platform", "string"}, {3, "os", "string"}, {4, "version", "string"},
	},
	"Track": {{1, "speed", "double"}, {2, "course", "double"}},
}

type fieldDesc struct {
	number int32
	name   string
	typ    string // a scalar, or the name of a message
}

const protoPackage = "atakmap.commoncommo.protobuf.v1"

var takMessage = compileSchema()

func compileSchema() protoreflect.MessageDescriptor {
	scalars := map[string]descriptorpb.FieldDescriptorProto_Type{
		"string": descriptorpb.FieldDescriptorProto_TYPE_STRING,
		"double": descriptorpb.FieldDescriptorProto_TYPE_DOUBLE,
		"uint32": descriptorpb.FieldDescriptorProto_TYPE_UINT32,
		"uint64": descriptorpb.FieldDescriptorProto_TYPE_UINT64,
	}
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("takmessage.proto"), Package: proto.String(protoPackage), Syntax: proto.String("proto3"),
	}
	for name, fields := range schema {
		m := &descriptorpb.DescriptorProto{Name: proto.String(name)}
		for _, f := range fields {
			d := &descriptorpb.FieldDescriptorProto{
				Name:     proto.String(f.name),
				JsonName: proto.String(f.name),
				Number:   proto.Int32(f.number),
				Label:    descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			}
			if t, ok := scalars[f.typ]; ok {
				d.Type = t.Enum()
			} else {
				d.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
				d.TypeName = proto.String("." + protoPackage + "." + f.typ)
			}
			m.Field = append(m.Field, d)
		}
		file.MessageType = append(file.MessageType, m)
	}
	fd, err := protodesc.NewFile(file, nil)
	if err != nil {
		panic(err)
	}
	return fd.Messages().ByName("TakMessage")
}

// official makes the message that text says, by the library.
func official(t testing.TB, text string) *dynamicpb.Message {
	t.Helper()
	m := dynamicpb.NewMessage(takMessage)
	if err := prototext.Unmarshal([]byte(text), m); err != nil {
		t.Fatalf("text of a TakMessage: %v", err)
	}
	return m
}

// officialBytes writes the message that text says, by the library.
func officialBytes(t testing.TB, text string) []byte {
	t.Helper()
	b, err := proto.Marshal(official(t, text))
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	return b
}

// readOfficial reads a message by the library. All fields must be known to it,
// and all lengths as short as they can be.
func readOfficial(t testing.TB, b []byte) *dynamicpb.Message {
	t.Helper()
	m := dynamicpb.NewMessage(takMessage)
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatalf("unmarshal %x: %v", b, err)
	}
	strict := dynamicpb.NewMessage(takMessage)
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, strict); err != nil {
		t.Fatalf("unmarshal %x: %v", b, err)
	}
	if got, want := len(b), proto.Size(strict); got != want {
		t.Errorf("message takes %d bytes, the library needs %d", got, want)
	}
	return m
}
