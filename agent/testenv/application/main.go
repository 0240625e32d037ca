// Application behaves as Invoice Ninja does towards those who look after it: what
// it answers at /health and /api/v1/health_check, what it writes to its access log
// and to Laravel's file, what it asks MariaDB and Redis. What goes wrong is asked
// for at /_/. It is the program of a test deployment's containers.
//
//	application serve
//	application worker    takes jobs from Redis, as `artisan queue:work`
package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	_ "github.com/go-sql-driver/mysql"
)

// An application is one container of it. Its settings are those of Laravel's .env.
type application struct {
	db      *sql.DB
	redis   redisClient
	log     laravelLog
	token   string       // of /api/v1/health_check
	slow    atomic.Int64 // how long a page takes, in nanoseconds
	failed  atomic.Int64 // jobs
	pending string       // the key of the queue, with Laravel's prefix
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "application:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	dsn := fmt.Sprintf("%s:%s@tcp(%s)/%s?timeout=2s&interpolateParams=true", env("DB_USERNAME", "invoiceninja"), env("DB_PASSWORD", "invoiceninja"),
		net.JoinHostPort(env("DB_HOST", "127.0.0.1"), env("DB_PORT", "3306")), env("DB_DATABASE", "invoiceninja"))
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetConnMaxIdleTime(10 * time.Second)
	a := &application{
		db:      db,
		redis:   redisClient{addr: net.JoinHostPort(env("REDIS_HOST", "127.0.0.1"), env("REDIS_PORT", "6379"))},
		log:     laravelLog{name: filepath.Join(env("APP_STORAGE", "/data/storage"), "logs", "laravel.log")},
		token:   env("API_TOKEN", ""),
		pending: env("REDIS_PREFIX", "invoiceninja_database_") + "queues:default",
	}
	if len(args) == 1 && args[0] == "worker" {
		return a.work(ctx)
	}
	return a.serve(ctx, ":"+env("APP_PORT", "8080"))
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}
