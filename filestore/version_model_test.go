package filestore_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// versionModel is what a bucket should hold: the versions of each key, the newest
// first.
type versionModel struct {
	t     *testing.T
	r     *rand.Rand
	b     bucket
	tr    tree
	fs    *filestore.FS
	root  caps.Cap
	state filestore.Versioning
	keys  map[string][]modelVersion
	made  int
	log   []string
}

type modelVersion struct {
	id     filestore.VersionID
	data   string
	marker bool
}

var modelKeys = []string{"a", "a-", "b", "d/", "d/a", "d/b", "d/e/a", "d/e/b", "d/e//x", "f/a", "f"}

func (m *versionModel) current(key string) *modelVersion {
	if vs := m.keys[key]; len(vs) > 0 && !vs[0].marker {
		return &vs[0]
	}
	return nil
}

// put notes a new version.
func (m *versionModel) put(key, data string, marker bool) {
	switch m.state {
	case filestore.VersioningNever:
		m.keys[key] = nil
		if marker {
			return
		}
	case filestore.VersioningSuspended:
		m.keys[key] = slices.DeleteFunc(m.keys[key], func(v modelVersion) bool { return v.id.Null })
	}
	id := filestore.VersionID{Null: m.state != filestore.VersioningEnabled}
	m.keys[key] = slices.Insert(m.keys[key], 0, modelVersion{id, data, marker})
}

// made notes the id that the newest version has got.
func (m *versionModel) is(key string, id filestore.VersionID) {
	m.t.Helper()
	v := &m.keys[key][0]
	if id.Null != v.id.Null {
		m.fail("%q became version %v", key, id)
	}
	v.id = id
}

func (m *versionModel) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf(format+"\n%s", append(args, strings.Join(m.log[max(0, len(m.log)-30):], "\n"))...)
}

func (m *versionModel) data() string {
	m.made++
	if m.r.IntN(3) == 0 {
		return string(random(100+m.r.IntN(2000), byte(m.made)))
	}
	return fmt.Sprint("contents ", m.made)
}

func (m *versionModel) step() {
	t := m.t
	key, to := modelKeys[m.r.IntN(len(modelKeys))], modelKeys[m.r.IntN(len(modelKeys))]
	op := m.r.IntN(16)
	m.log = append(m.log, fmt.Sprint(op, " ", m.state, " ", key, " ", to))
	switch op {
	case 0, 1, 2:
		data := m.data()
		o := m.b.put(key, []byte(data))
		m.put(key, data, false)
		m.is(key, o.Version)
	case 3:
		had := m.current(key) != nil
		d := m.b.delete(key, filestore.VersionID{})
		if d.Marker != (m.state != filestore.VersioningNever) {
			m.fail("deleted %q, there %v: %+v", key, had, d)
		}
		m.put(key, "", true)
		if d.Marker {
			m.is(key, d.Version)
		}
	case 4, 5:
		if vs := m.keys[key]; len(vs) > 0 {
			i := m.r.IntN(len(vs))
			if d := m.b.delete(key, m.idOf(key, i)); d.Marker != vs[i].marker {
				m.fail("removed version %d of %q: %+v", i, key, d)
			}
			m.keys[key] = slices.Delete(vs, i, i+1)
		}
	case 6:
		if m.current(key) == nil {
			break
		}
		src := m.b.open(key)
		o, err := m.b.CopyObject(t.Context(), to, src, filestore.ObjectMeta{Tags: []filestore.Pair{{Name: "a", Value: "b"}}}, filestore.CommitOptions{})
		src.Close()
		if err != nil {
			m.fail("copy %q to %q: %v", key, to, err)
		}
		m.put(to, m.current(key).data, false)
		m.is(to, o.Version)
	case 7:
		if _, err := m.b.SetMeta(t.Context(), key, filestore.VersionID{}, func(o *filestore.ObjectMeta) error {
			o.Tags = []filestore.Pair{{Name: "t", Value: fmt.Sprint(m.made)}}
			return nil
		}); (err == nil) != (m.current(key) != nil) {
			m.fail("tag %q: %v", key, err)
		}
	case 8:
		m.byTree(key, to)
	case 9:
		m.removeByTree(key)
	case 10:
		m.renameByTree(key, to)
	case 11:
		m.directories(key)
	case 13:
		m.deleteSome()
	case 14:
		m.renameDirectory(key, to)
	case 15:
		m.tagVersion(key)
	case 12:
		if m.r.IntN(4) > 0 {
			break
		}
		m.state = filestore.VersioningEnabled + filestore.Versioning(m.r.IntN(2))
		m.b.setVersioning(m.state)
	}
}

// deleteSome deletes several at once, versions and latest ones, of different keys.
func (m *versionModel) deleteSome() {
	var reqs []filestore.DeleteRequest
	var which []int // of a version; -1: the latest
	for _, i := range m.r.Perm(len(modelKeys))[:4] {
		key, at := modelKeys[i], -1
		r := filestore.DeleteRequest{Key: key}
		if n := len(m.keys[key]); n > 0 && m.r.IntN(2) == 0 {
			at = m.r.IntN(n)
			r.Version = m.idOf(key, at)
		}
		reqs, which = append(reqs, r), append(which, at)
	}
	for i, res := range m.b.DeleteObjects(m.t.Context(), reqs) {
		key := reqs[i].Key
		if res.Err != nil {
			m.fail("delete %q with others: %v", key, res.Err)
		}
		if at := which[i]; at >= 0 {
			m.keys[key] = slices.Delete(m.keys[key], at, at+1)
			continue
		}
		m.put(key, "", true)
		if res.Marker {
			m.is(key, res.Version)
		}
	}
}

// renameDirectory moves a directory of one key to a new name, and back.
func (m *versionModel) renameDirectory(key, _ string) {
	dir, _, nested := strings.Cut(key, "/")
	if !nested {
		return
	}
	kept := false // what a rename would take along
	for _, k := range modelKeys {
		if vs := m.keys[k]; strings.HasPrefix(k, dir+"/") && (len(vs) > 1 || len(vs) == 1 && vs[0].marker) {
			kept = true
		}
	}
	i, err := m.tr.Lstat(m.t.Context(), filestore.Path{"b", dir})
	if err != nil || i.Kind != filestore.KindDir || m.current(dir) != nil {
		return
	}
	err = m.tr.Rename(m.t.Context(), filestore.Path{"b", dir}, filestore.Path{"b", "other"}, filestore.NoReplace)
	if (err == nil) == kept {
		m.fail("rename directory %s, where versions are kept %v: %v", dir, kept, err)
	}
	if err == nil {
		if err := m.tr.Rename(m.t.Context(), filestore.Path{"b", "other"}, filestore.Path{"b", dir}, filestore.NoReplace); err != nil {
			m.fail("rename directory %s back: %v", dir, err)
		}
	}
}

// tagVersion tags any version, which makes none.
func (m *versionModel) tagVersion(key string) {
	vs := m.keys[key]
	if len(vs) == 0 {
		return
	}
	i := m.r.IntN(len(vs))
	_, err := m.b.SetMeta(m.t.Context(), key, m.idOf(key, i), func(o *filestore.ObjectMeta) error {
		o.Tags = []filestore.Pair{{Name: "t", Value: fmt.Sprint(m.made)}}
		return nil
	})
	if (err == nil) == vs[i].marker {
		m.fail("tag version %d of %q: %v", i, key, err)
	}
}

// idOf is the id by which a version is asked for.
func (m *versionModel) idOf(key string, i int) filestore.VersionID {
	if m.keys[key][i].id.Null {
		return filestore.VersionID{Null: true}
	}
	return m.keys[key][i].id
}

// inTree is a key's path, if a file tree can have a file there now.
func (m *versionModel) inTree(key string) (filestore.Path, bool) {
	p := append(filestore.Path{"b"}, strings.Split(key, "/")...)
	parent, _ := p.Split()
	if i, err := m.tr.Lstat(m.t.Context(), parent); err != nil || i.Kind != filestore.KindDir {
		return p, false
	}
	i, err := m.tr.Lstat(m.t.Context(), p)
	return p, err != nil || i.Kind == filestore.KindFile
}

func (m *versionModel) byTree(key, _ string) {
	p, ok := m.inTree(key)
	if !ok {
		return
	}
	data := m.data()
	f, err := m.tr.Open(m.t.Context(), p, toReplace)
	if err != nil {
		m.fail("open %v: %v", p, err)
	}
	write(m.t, f, []byte(data), 0)
	closeFile(m.t, f)
	m.put(key, data, false)
	m.is(key, m.b.stat(key).Version)
}

func (m *versionModel) removeByTree(key string) {
	p, ok := m.inTree(key)
	if !ok {
		return
	}
	if err := m.tr.Remove(m.t.Context(), p); (err == nil) != (m.current(key) != nil) {
		m.fail("remove %v: %v", p, err)
	} else if err == nil {
		m.put(key, "", true)
		m.newest(key)
	}
}

// newest asks for the id of the newest version.
func (m *versionModel) newest(key string) {
	page, err := m.b.ListVersions(m.t.Context(), filestore.VersionListOptions{ListOptions: filestore.ListOptions{Prefix: key, Max: 1}})
	if err != nil {
		m.fail("list: %v", err)
	}
	if len(m.keys[key]) > 0 {
		m.is(key, page.Items[0].Object.Version)
	}
}

func (m *versionModel) renameByTree(key, to string) {
	from, ok := m.inTree(key)
	into, ok2 := m.inTree(to)
	if !ok || !ok2 || m.current(key) == nil {
		return
	}
	if err := m.tr.Rename(m.t.Context(), from, into, filestore.Replace); err != nil {
		m.fail("rename %v to %v: %v", from, into, err)
	}
	if key == to {
		return
	}
	data := m.current(key).data
	m.put(key, "", true)
	m.newest(key)
	m.put(to, data, false)
	m.newest(to)
}

// directories makes and removes those of a key.
func (m *versionModel) directories(key string) {
	for i, c := range key {
		if c != '/' {
			continue
		}
		p := append(filestore.Path{"b"}, strings.Split(key[:i], "/")...)
		inside := slices.ContainsFunc(modelKeys, func(k string) bool { return strings.HasPrefix(k, key[:i+1]) && m.current(k) != nil })
		if m.r.IntN(2) == 0 {
			if err := m.tr.Rmdir(m.t.Context(), p); err == nil && inside {
				m.fail("removed %v: %v", p, key)
			}
		} else if err := m.tr.Mkdir(m.t.Context(), p, filestore.Attr{}); err == nil && inside {
			m.fail("made %v: %v %v", p, key, m.current(key))
		}
	}
}

// check compares everything.
func (m *versionModel) check() {
	t := m.t
	var want, current []string
	for _, key := range slices.Sorted(slices.Values(modelKeys)) {
		for i, v := range m.keys[key] {
			s := fmt.Sprintf("%s %d", key, len(v.data))
			if v.marker {
				s = key + " x"
			}
			if v.id.Null {
				s += "0"
			}
			if i == 0 {
				s += "*"
			}
			want = append(want, s)
			if !v.marker {
				if got := m.b.getVersion(key, m.idOf(key, i)); got != v.data {
					m.fail("version %d of %q holds %s, want %s", i, key, sketch([]byte(got)), sketch([]byte(v.data)))
				}
			}
		}
		v := m.current(key)
		if v == nil {
			if _, err := m.b.Stat(t.Context(), key, filestore.VersionID{}); kind.Of(err) != kind.NotExist {
				m.fail("stat of %q: %v", key, err)
			}
			continue
		}
		current = append(current, key)
		if string(m.b.get(key)) != v.data {
			m.fail("%q holds something else", key)
		}
		if p, ok := m.inTree(key); ok && string(m.tr.get(strings.Join(p, "/"))) != v.data {
			m.fail("%v holds something else", p)
		}
	}
	for _, n := range []int{1, 3, 1000} {
		o := filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: n}}
		if got := m.b.versions(o); !slices.Equal(got, want) {
			m.fail("versions by %d\n%q, want\n%q", n, got, want)
		}
		for _, delimiter := range []string{"/", "a", "/e/"} {
			for _, prefix := range []string{"", "a", "d/", "d/e", "f/"} {
				o := filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: n, Delimiter: delimiter, Prefix: prefix}}
				if got, want := m.b.versions(o), rolled(want, prefix, delimiter); !slices.Equal(got, want) {
					m.fail("versions %+v\n%q, want\n%q", o, got, want)
				}
			}
		}
		if got := m.b.keys(filestore.ListOptions{Max: n}); !slices.Equal(got, append([]string{}, current...)) {
			m.fail("keys by %d: %q, want %q", n, got, current)
		}
	}
	r, err := m.fs.Check(t.Context(), filestore.CheckOptions{Deep: true, Recount: true, Trees: []filestore.NamedTree{{Name: "t", Cap: m.root}}})
	if err != nil || !r.Whole() || len(r.Recounts) > 0 {
		m.fail("check: %+v, %v", r, err)
	}
}

// rolled is what a listing of versions shows by common prefixes.
func rolled(versions []string, prefix, delimiter string) []string {
	var out []string
	for _, s := range versions {
		key := s[:strings.LastIndex(s, " ")]
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		if i := strings.Index(rest, delimiter); i >= 0 {
			s = "[" + prefix + rest[:i+len(delimiter)] + "]"
			if len(out) > 0 && out[len(out)-1] == s {
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

// Random operations by S3 and by a file tree, under all states of versioning, agree
// with the model; collections in between take nothing away.
func TestVersionsAgreeWithAModel(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			t.Logf("seed %d", seed+uint64(i))
			fs := newStorage(t).open()
			tr, root := newTree(t, fs)
			m := &versionModel{
				t: t, r: rand.New(rand.NewPCG(seed+uint64(i), 7)), b: bucketIn(t, fs, tr), tr: tr, fs: fs, root: root,
				keys: make(map[string][]modelVersion),
			}
			for step := range 600 {
				if m.step(); step%60 == 59 {
					m.check()
				}
				if step%200 == 199 {
					collect(t, fs, filestore.CollectOptions{Grace: filestore.NoGrace, Yes: true})
					collect(t, fs, filestore.CollectOptions{Grace: filestore.NoGrace, Yes: true})
					m.check()
				}
			}
			m.empty()
		})
	}
}

// empty removes all versions, after which nothing is left.
func (m *versionModel) empty() {
	for _, key := range modelKeys {
		for i := range m.keys[key] {
			m.b.delete(key, m.idOf(key, i))
		}
	}
	for _, d := range []string{"b/d/e/", "b/d/e", "b/d", "b/f"} {
		_ = m.tr.Rmdir(m.t.Context(), path(d))
	}
	m.tr.expectNames("b")
	if err := m.b.Bucket.Delete(m.t.Context(), m.tr.Tree); err != nil {
		m.fail("delete the empty bucket: %v", err)
	}
}
