package oauth

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"io"
	"strings"
	"unicode/utf16"
)

// unpack undoes the content codings gzip and deflate (RFC 9110 8.4.1). It goes by the bytes and not by the
// header, because servers announce codings that they do not use and use ones that they do not announce. A
// cut or damaged end is ignored. The result has at most maxReply+1 bytes.
func unpack(text []byte) []byte {
	for range 2 { // a proxy may have packed once more
		var from io.Reader
		var err error
		switch {
		case bytes.HasPrefix(text, []byte("\x1f\x8b")):
			from, err = gzip.NewReader(bytes.NewReader(text))
		case len(text) > 1 && text[0]&0x0f == 8 && (int(text[0])<<8|int(text[1]))%31 == 0: // RFC 1950 2.2
			from, err = zlib.NewReader(bytes.NewReader(text))
		default:
			return text
		}
		if err != nil {
			return text
		}
		text = readSome(from)
	}
	return text
}

// inflate undoes a deflate without the wrapper of zlib, which some servers leave out. Such a text cannot be
// told from any other by its first bytes.
func inflate(text []byte) []byte { return readSome(flate.NewReader(bytes.NewReader(text))) }

func readSome(from io.Reader) []byte {
	text, _ := io.ReadAll(io.LimitReader(from, maxReply+1)) // what came before an error counts
	return text
}

// plainText decodes a text in UTF-16 with a byte order mark, and JSON that was encoded once more as a JSON string.
func plainText(text []byte) []byte {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(text, []byte("\xfe\xff")):
		order = binary.BigEndian
		fallthrough
	case bytes.HasPrefix(text, []byte("\xff\xfe")):
		units := make([]uint16, len(text)/2)
		for i := range units {
			units[i] = order.Uint16(text[2*i:])
		}
		text = []byte(string(utf16.Decode(units)))
	}
	if !bytes.HasPrefix(trim(text), []byte(`"`)) { // an object is decoded where it is searched for
		return text
	}
	if v, err := Decode(text); err == nil {
		if inner, ok := v.(string); ok && strings.HasPrefix(inner, "{") {
			return []byte(inner)
		}
	}
	return text
}
