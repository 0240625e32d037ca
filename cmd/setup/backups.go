package setup

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A BackupSet is a place with backups.
type BackupSet struct {
	Folder string   // on the host
	Path   string   // that is configured: the folder, or a glob of files in it
	Files  []string // globs, of what is in the newest; for a folder with a folder a set
}

const maxBackups = 5 // places

var (
	backupFolders = []string{"backups", "backup", "dumps"}
	dumpForm      = regexp.MustCompile(`(?i)\.(sql|dump|tar|tgz|tbz2?)(\.(gz|zst|xz|bz2|zip))?$|\.(tar|sql)\.\w{2,4}$`)
	digits        = regexp.MustCompile(`[0-9][0-9_.:T-]*[0-9]|[0-9]+`)
)

// findBackups looks for folders with backups: beside the Compose file, and in mounts
// that are called so.
func findBackups(root fs.FS, f *Found) (all []BackupSet) {
	var folders []string
	if f.Dir != "" {
		for _, name := range backupFolders {
			folders = append(folders, path.Join(f.Dir, name))
		}
	}
	for i := range f.Services {
		for _, m := range f.Services[i].Mounts {
			if slices.Contains(backupFolders, path.Base(m.Target)) || slices.Contains(backupFolders, path.Base(m.Source)) {
				folders = append(folders, m.Source)
			}
		}
	}
	slices.Sort(folders)
	for _, folder := range slices.Compact(folders) {
		info, err := fs.Stat(root, strings.TrimPrefix(path.Clean(folder), "/"))
		if err == nil && info.IsDir() && len(all) < maxBackups {
			all = append(all, lookAtBackups(root, folder))
		}
	}
	return all
}

// lookAtBackups sees whether a backup is a folder or a file, and what the newest has in it.
// What is called by its date is called otherwise tomorrow.
func lookAtBackups(root fs.FS, folder string) BackupSet {
	s := BackupSet{Folder: folder, Path: escapeGlob(folder)}
	base := strings.TrimPrefix(path.Clean(folder), "/")
	sets, file := "", ""
	entries, _ := fs.ReadDir(root, base) // by name, and so by date
	for _, e := range entries {
		switch {
		case strings.HasPrefix(e.Name(), ".") || e.Name() == "lost+found":
		case e.IsDir():
			sets = e.Name()
		case e.Type().IsRegular() && dumpForm.MatchString(e.Name()):
			file = e.Name()
		}
	}
	if sets == "" {
		if file != "" {
			s.Path += "/" + undated(file)
		}
		return s
	}
	if s.Path != folder { // which a glob stands for, and not the folders in it
		s.Path += "/*"
	}
	entries, _ = fs.ReadDir(root, path.Join(base, sets))
	for _, e := range entries {
		if e.Type().IsRegular() && dumpForm.MatchString(e.Name()) && len(s.Files) < 20 {
			s.Files = append(s.Files, undated(e.Name()))
		}
	}
	s.Files = slices.Compact(s.Files)
	return s
}

// undated is a glob for a name of which the digits change.
func undated(name string) string {
	end := dumpForm.FindStringIndex(name)
	return digits.ReplaceAllString(escapeGlob(name[:end[0]]), "*") + name[end[0]:]
}
