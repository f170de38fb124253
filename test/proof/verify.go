// A verifier that is not Cordon's: golang.org/x/mod/sumdb reads what the test hands it and says what holds.
// One JSON request a line in, "ok" or the reason a line out.
package main

import (
	"bufio"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type request struct {
	Kind, Key, Note, Leaf, Root, FirstRoot, Witness string
	Index, Size, First                              int64
	Proof                                           []string
}

func hash(text string) (h tlog.Hash) {
	bytes, err := base64.StdEncoding.DecodeString(text)
	if err == nil && len(bytes) == tlog.HashSize {
		copy(h[:], bytes)
	}
	return h
}

func open(r request) (*note.Note, error) {
	verifier, err := note.NewVerifier(r.Key)
	if err != nil {
		return nil, err
	}
	return note.Open([]byte(r.Note), note.VerifierList(verifier))
}

// The cosignature on the note, as the C2SP document says it is signed.
func cosigned(r request) error {
	opened, err := open(r)
	if err != nil {
		return err
	}
	key, _ := base64.StdEncoding.DecodeString(r.Witness)
	for _, sig := range opened.UnverifiedSigs {
		bytes, _ := base64.StdEncoding.DecodeString(sig.Base64)
		if len(bytes) != 4+8+64 {
			continue
		}
		message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(bytes[4:12]), opened.Text)
		if ed25519.Verify(key, []byte(message), bytes[12:]) {
			return nil
		}
	}
	return fmt.Errorf("no cosignature holds")
}

func check(r request) error {
	proof := make([]tlog.Hash, len(r.Proof))
	for i, text := range r.Proof {
		proof[i] = hash(text)
	}
	switch r.Kind {
	case "note":
		opened, err := open(r)
		if err == nil && strings.Count(opened.Text, "\n") != 3 {
			return fmt.Errorf("not three lines")
		}
		return err
	case "cosignature":
		return cosigned(r)
	case "inclusion":
		return tlog.CheckRecord(proof, r.Size, hash(r.Root), r.Index, tlog.RecordHash([]byte(r.Leaf)))
	case "consistency":
		return tlog.CheckTree(proof, r.Size, hash(r.Root), r.First, hash(r.FirstRoot))
	}
	return fmt.Errorf("unknown kind %q", r.Kind)
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var r request
		err := json.Unmarshal(lines.Bytes(), &r)
		if err == nil {
			err = check(r)
		}
		if err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("ok")
		}
	}
}
