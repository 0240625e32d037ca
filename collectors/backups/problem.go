package backups

// A problem is what may be wrong with backups.
type problem uint8

const (
	fine problem = iota
	stale
	small
	truncated
	corrupt
	noTrailer
	noTar
	badManifest
	missingFile
	tooFew
	tooOld
	restoreTest

	problems // how many there are
)

// String is the value of the label problem.
func (p problem) String() string {
	return [problems]string{
		"", "stale", "small", "truncated", "corrupt", "no_trailer", "no_tar", "manifest", "missing_file", "too_few", "too_old", "restore_test",
	}[p%problems]
}

// parseProblem is the inverse of String; what it does not know is corrupt.
func parseProblem(s string) problem {
	for p := fine; p < problems; p++ {
		if p.String() == s {
			return p
		}
	}
	return corrupt
}
