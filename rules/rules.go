// Package rules reads rule files and finds, in the records of a batch, those for
// which a rule holds.
//
// All rules are looked for in one pass: the literals that their expressions need
// are searched for together, and an expression is tried only on a record that
// has what it needs.
package rules

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/matchers"
	"github.com/webgrip/logkeel/rules/engine"
	"github.com/webgrip/logkeel/rules/fields"
)

// A Config is where rules come from: packs that are built in, and files.
type Config struct {
	Packs conf.Strings `yaml:"packs"` // names of packs of rules that are built in, as operations, auth, laravel or samples
	Files conf.Strings `yaml:"files"` // rule files, or patterns as rules/*.yaml, relative to the configuration's folder
	Self  bool         `yaml:"self"`  // loads the rules on the agent itself, the pack logkeel, whether packs names it or not
}

// A Set is a number of rules, and what is cut out of records before, ready to be
// used. It never changes, and may be used by many goroutines at once.
type Set struct {
	rules  []rule
	meta   []*agent.Rule
	exprs  []*expr // of all rules, in their order
	ruleOf []int32 // by expression
	// samples has the rules on samples, as indexes in rules, by the sample's name.
	samples map[string][]int32
	// missing has those of them on series that are missing.
	missing []int32
	// absences says that there are rules on the absence of lines.
	absences bool
	metrics  []*metric // by index
	amongs   []*among  // by index
	memos    int       // what several rules ask of a record

	// wanted are the fields that rules ask for, by format.
	wanted [fields.Count]*fields.Wanted

	inhibits []inhibition

	section Section
	tests   []Test
	redact  *redactor // nil: nothing is cut out of records
	scanner *engine.Scanner
	each    *engine.Union // of the expressions that the scanner has nothing to look for in; or nil
	words   int           // of 64 expressions, or patterns of the redactor
	pool    sync.Pool
	sifting sync.Once
	sifted  *sift
}

// A rule is one rule with what it is judged by. It is on lines, and then has
// expressions, or on a sample.
type rule struct {
	rule       *agent.Rule
	source     matchers.Matchers
	first, end int32 // its expressions in the set
	not        []*expr
	excluding  int32         // the memo of whether one of them matches, or -1
	format     fields.Format // None: records have no fields
	numbers    []int         // of what where asks for: the field's, or -1
	byFields   bool          // where asks for fields only
	where      *where        // nil: whatever the expressions found
	measure    *measure      // nil: the rule is on lines
	policy     policy
	grouped    bool       // it counts by what a group or a field found, or by the message's shape
	captures   bool       // by the former
	metric     *metricUse // nil: it makes none
	text       string     // what its expressions are, where people are told of them
}

var _ agent.Matcher = (*Set)(nil)

// Load reads the packs and then the files of c; paths in c start from baseDir.
// All that is wrong is in the error, a conf.Errors. Where c itself is wrong the
// Error has no File, and a Field as packs[0] or files[2]: the caller knows where
// that stands.
func Load(c Config, baseDir string, options ...Option) (*Set, error) {
	l := &loader{names: map[string]place{}}
	for _, o := range options {
		o(l)
	}
	redact := l.redactor()
	seen := map[string]bool{}
	for i, name := range c.Packs {
		if !seen[packPrefix+name] {
			seen[packPrefix+name] = true
			l.pack(name, fmt.Sprintf("packs[%d]", i))
		}
	}
	if c.Self && !seen[packPrefix+selfPack] {
		l.pack(selfPack, "self")
	}
	for i, pattern := range c.Files {
		paths, err := expand(pattern, baseDir)
		if err != nil {
			l.fail(&conf.Error{Field: fmt.Sprintf("files[%d]", i), Msg: err.Error(), Hint: "write a path, or a pattern as rules/*.yaml"})
		}
		for _, path := range paths {
			if !seen[path] {
				seen[path] = true
				l.file(path)
			}
		}
	}
	if err := conf.Join(l.errs...); err != nil {
		return nil, err
	}
	s := buildSet(l.rules, redact)
	s.inhibit(l.inhibits)
	s.section, s.tests = Section{c, l.redact, l.sums}, l.tests
	return s, nil
}

// A Section is all that a Set was made of. Equal ones make equal Sets.
type Section struct {
	config Config
	redact Redact
	files  []fileSum
}

// Section is what the set was made of.
func (s *Set) Section() Section { return s.section }

// Files are the rule files that c names, as they are now.
func Files(c Config, baseDir string) []string {
	var all []string
	for _, pattern := range c.Files {
		paths, err := expand(pattern, baseDir)
		if err == nil {
			all = append(all, paths...)
		}
	}
	return all
}

// expand returns the files that pattern stands for, sorted. A pattern without
// wildcards stands for itself.
func expand(pattern, baseDir string) ([]string, error) {
	if pattern == "" {
		return nil, fmt.Errorf("the path is empty")
	}
	wild := strings.ContainsAny(pattern, "*?[")
	if filepath.IsAbs(pattern) {
		baseDir = ""
	} else if wild {
		baseDir = escape.Replace(baseDir)
	}
	path := filepath.Join(baseDir, pattern)
	if !wild {
		return []string{path}, nil
	}
	paths, err := filepath.Glob(path)
	if err != nil {
		return nil, fmt.Errorf("%q is not a pattern", pattern)
	}
	return paths, nil
}

// escape makes a path into a pattern for itself.
var escape = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// maxStates bounds the bytes that all expressions of a set keep, so as to find
// matches sooner.
const maxStates = 32 << 20

func buildSet(list []loaded, redact *redactor) *Set {
	s := &Set{samples: map[string][]int32{}, redact: redact}
	var targets engine.Targets
	room := engine.NewRoom(maxStates)
	for _, l := range list {
		r := rule{
			rule: l.rule, source: l.source, not: l.not, format: l.format, where: l.where, measure: l.measure, policy: l.policy, text: l.text, metric: l.metric,
			first: int32(len(s.exprs)),
		}
		r.grouped = slices.ContainsFunc(l.policy.by, func(p keyPart) bool { return p.group })
		r.captures = slices.ContainsFunc(l.policy.by, func(p keyPart) bool { return p.group && p.name != fingerprint })
		if m := l.measure; m != nil {
			s.samples[m.sample] = append(s.samples[m.sample], int32(len(s.rules)))
			if m.absent > 0 {
				s.missing = append(s.missing, int32(len(s.rules)))
			}
		}
		if l.metric != nil && !slices.Contains(s.metrics, l.metric.metric) {
			l.metric.metric.index = len(s.metrics)
			s.metrics = append(s.metrics, l.metric.metric)
		}
		s.absences = s.absences || l.policy.absent > 0
		l.rule.Index = len(s.rules)
		for _, e := range l.match {
			for _, lit := range e.Seek() {
				targets.Add(lit, nil, int32(len(s.exprs)))
			}
			e.Share(room)
			s.exprs = append(s.exprs, e)
			s.ruleOf = append(s.ruleOf, int32(len(s.rules)))
		}
		for _, e := range l.not {
			e.Share(room)
		}
		r.end = int32(len(s.exprs))
		s.want(&r)
		s.rules = append(s.rules, r)
		s.meta = append(s.meta, l.rule)
	}
	s.share()
	s.gather(room)
	s.words = (len(s.exprs) + redact.bits() + 63) / 64
	if redact != nil {
		redact.place(len(s.exprs), s.words, targets.Add)
	}
	s.scanner = engine.NewScanner(&targets)
	s.each = s.union(room)
	s.pool.New = s.newScratch
	return s
}

func (s *Set) newScratch() any {
	return &scratch{each: make([]uint64, s.words), reading: reading{memos: make([]memo, s.memos), marks: s.newMarks()}}
}

func (s *Set) union(room *engine.Room) *engine.Union {
	var exprs []*engine.Expr
	var bits []int32
	for i, e := range s.exprs {
		if e.Seek() == nil && !e.unmatched {
			exprs, bits = append(exprs, e.Expr), append(bits, int32(i))
		}
	}
	return engine.NewUnion(exprs, bits, s.words, room)
}

// Rules returns all rules, by their Index.
func (s *Set) Rules() []*agent.Rule { return slices.Clone(s.meta) }

// Waits reports whether there are rules on the absence of lines.
func (s *Set) Waits() bool { return s.absences }

// FullPass returns the rules with an expression that has to be tried on each
// record, for there is no text worth looking for in it. They cost a pass over each,
// one for all of them.
func (s *Set) FullPass() []*agent.Rule {
	var list []*agent.Rule
	for i := range s.rules {
		r := &s.rules[i]
		if slices.ContainsFunc(s.exprs[r.first:r.end], func(e *expr) bool { return e.Seek() == nil }) {
			list = append(list, r.rule)
		}
	}
	return list
}
