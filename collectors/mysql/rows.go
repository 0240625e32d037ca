package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// A record is a row, whatever columns the server has, which are in lower case. Of
// columns that are NULL there is nothing.
type record struct {
	names  []string
	values []sql.NullString
}

func (r record) text(name string) string {
	for i, n := range r.names {
		if n == name {
			return r.values[i].String
		}
	}
	return ""
}

// records calls each for the rows of a query, limit at most.
func records(ctx context.Context, conn *sql.Conn, query string, limit int, each func(record), args ...any) error {
	rows, err := conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	r := record{names: make([]string, len(names)), values: make([]sql.NullString, len(names))}
	into := make([]any, len(names))
	for i, n := range names {
		r.names[i], into[i] = strings.ToLower(n), &r.values[i]
	}
	for n := 0; rows.Next(); n++ {
		if n >= limit {
			return fmt.Errorf("more than %d rows; the rest is left out", limit)
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		each(r)
	}
	return rows.Err()
}
