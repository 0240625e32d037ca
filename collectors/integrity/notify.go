package integrity

// A notifier is told which folders are looked at.
type notifier interface {
	add(folder string)
	remove(folder string)
}

type noNotifier struct{}

func (noNotifier) add(string)    {}
func (noNotifier) remove(string) {}
