package wire

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"
)

// random fills a message of the protobuf library.
func random(t *rapid.T, m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case rapid.IntRange(0, 2).Draw(t, "leave out") == 0:
		case f.IsList():
			l := m.Mutable(f).List()
			for range rapid.IntRange(1, 3).Draw(t, "length") {
				if f.Kind() == protoreflect.MessageKind {
					random(t, l.AppendMutable().Message())
				} else {
					l.Append(randomValue(t, f))
				}
			}
		case f.Kind() == protoreflect.MessageKind:
			random(t, m.Mutable(f).Message())
		default:
			m.Set(f, randomValue(t, f))
		}
	}
}

func randomValue(t *rapid.T, f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, "bool"))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(rapid.Int32().Draw(t, "int32"))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(rapid.Int64().Draw(t, "int64"))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(rapid.Uint32().Draw(t, "uint32"))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(rapid.Uint64().Draw(t, "uint64"))
	case protoreflect.DoubleKind:
		v := rapid.OneOf(rapid.Float64(), rapid.Just(math.Copysign(0, -1))).Draw(t, "double")
		return protoreflect.ValueOfFloat64(v)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(rapid.String().Draw(t, "string"))
	case protoreflect.BytesKind:
		// Now and then long enough for a length of several bytes.
		b := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")
		return protoreflect.ValueOfBytes(bytes.Repeat(b, rapid.SampledFrom([]int{1, 1, 10, 500}).Draw(t, "times")))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(rapid.Int32Range(0, 9).Draw(t, "enum")))
	}
	t.Fatalf("field %s: kind %s is not known to this test", f.FullName(), f.Kind())
	return protoreflect.Value{}
}

// compare finds differences between a message of ours and one of the library,
// by the names of the fields.
func compare(t rapid.TB, path string, got reflect.Value, want protoreflect.Message) {
	t.Helper()
	fields := want.Descriptor().Fields()
	if got.NumField() != fields.Len() {
		t.Errorf("%s: got %d fields, want %d", path, got.NumField(), fields.Len())
	}
	for i := range fields.Len() {
		f := fields.Get(i)
		at := path + "." + string(f.Name())
		g := got.FieldByNameFunc(func(name string) bool {
			return strings.EqualFold(name, strings.ReplaceAll(string(f.Name()), "_", ""))
		})
		if !g.IsValid() {
			t.Errorf("%s: no such field", at)
			continue
		}
		switch {
		case f.IsList():
			l := want.Get(f).List()
			if g.Len() != l.Len() {
				t.Errorf("%s: got %d, want %d", at, g.Len(), l.Len())
				continue
			}
			for j := range l.Len() {
				compareValue(t, at, g.Index(j), l.Get(j), f)
			}
		case f.Kind() == protoreflect.MessageKind:
			if g.IsNil() == want.Has(f) {
				t.Errorf("%s: got nil %v, want it there %v", at, g.IsNil(), want.Has(f))
			} else if !g.IsNil() {
				compare(t, at, g.Elem(), want.Get(f).Message())
			}
		default:
			compareValue(t, at, g, want.Get(f), f)
		}
	}
}

func compareValue(t rapid.TB, at string, g reflect.Value, v protoreflect.Value, f protoreflect.FieldDescriptor) {
	t.Helper()
	same := false
	switch f.Kind() {
	case protoreflect.MessageKind:
		compare(t, at, g, v.Message())
		return
	case protoreflect.BytesKind:
		same = bytes.Equal(g.Bytes(), v.Bytes())
	case protoreflect.DoubleKind:
		same = math.Float64bits(g.Float()) == math.Float64bits(v.Float())
	case protoreflect.EnumKind:
		same = g.Int() == int64(v.Enum())
	default:
		same = reflect.DeepEqual(g.Interface(), v.Interface())
	}
	if !same {
		t.Errorf("%s: got %v, want %v", at, g, v)
	}
}

// What the protobuf library writes by the compiled schema, ours reads, and the
// other way round.
func TestAgreesWithProtobuf(t *testing.T) {
	all := allMessages()
	descriptors := schema(t).Messages()
	for i := range descriptors.Len() {
		d := descriptors.Get(i)
		t.Run(string(d.Name()), func(t *testing.T) {
			ours := all[string(d.Name())]
			rapid.Check(t, func(t *rapid.T) {
				want := dynamicpb.NewMessage(d)
				random(t, want)
				b, err := proto.Marshal(want)
				if err != nil {
					t.Fatalf("marshal: %v", err)
				}
				// A field that no version knows yet.
				b = append(b, 0xfa, 0xff, 0x7f, 3, 'n', 'e', 'w')
				if err := ours.Decode(b); err != nil {
					t.Fatalf("decode: %v", err)
				}
				compare(t, string(d.Name()), reflect.ValueOf(ours).Elem(), want)

				back := dynamicpb.NewMessage(d)
				out := ours.Append([]byte("kept"))
				if err := proto.Unmarshal(out[4:], back); err != nil {
					t.Fatalf("unmarshal what Append wrote: %v", err)
				}
				if !proto.Equal(want, back) {
					t.Errorf("got %v, want %v", back, want)
				}
			})
		})
	}
}

func FuzzWire(f *testing.F) {
	descriptors := schema(f).Messages()
	names := make([]string, 0, descriptors.Len())
	for i := range descriptors.Len() {
		names = append(names, string(descriptors.Get(i).Name()))
	}
	slices.Sort(names)
	for i := range names {
		f.Add(uint8(i), []byte{})
	}
	f.Add(uint8(slices.Index(names, "Emit")), (&Emit{Events: []Emission{{XML: "<event/>", Audience: &Audience{Groups: []string{"a"}, AsEvent: 5}}}}).Append(nil))
	f.Add(uint8(slices.Index(names, "HTTPResponse")), (&HTTPResponse{Status: 200, Headers: []Pair{{"a", "b"}},
		Parts: []Part{{Data: []byte("x")}, {Range: &RangePart{Query: &Query{Collection: "c", From: []byte{1}}, Separator: ","}}}}).Append(nil))
	f.Add(uint8(slices.Index(names, "Description")), (&Description{Name: "x", Ops: []uint32{1, 300}}).Append(nil))
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		name := names[int(which)%len(names)]
		ours := allMessages()[name]
		theirs := dynamicpb.NewMessage(descriptors.ByName(protoreflect.Name(name)))
		err, theirErr := ours.Decode(b), proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(b, theirs)
		if err != nil {
			if theirErr == nil && !strings.Contains(err.Error(), "proper number or type") {
				t.Errorf("%s: got %v, protobuf reads it", name, err)
			}
			return
		}
		if theirErr != nil {
			t.Fatalf("%s: read what protobuf does not: %v", name, theirErr)
		}
		compare(t, name, reflect.ValueOf(ours).Elem(), theirs)
		again := allMessages()[name]
		if err := again.Decode(ours.Append(nil)); err != nil {
			t.Errorf("%s: decode what Append wrote: %v", name, err)
		}
	})
}
