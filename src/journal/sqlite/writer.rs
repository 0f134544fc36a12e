//! The one thread that writes: it takes what waits into one transaction, commits, and then answers all.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use prometheus_client::metrics::histogram::Histogram;
use rusqlite::Connection;
use tokio::sync::mpsc;

use crate::{
    clock::Clock,
    crash::{self, Step},
    journal::JournalError,
    metrics::{self, Metric},
};

mod job;

use job::{Job, job};

/// No commit holds more jobs than this, nor begins another one beyond so many octets: a commit stays well below
/// a second, and so does the wait of whoever comes next.
const JOBS: usize = 512;
const OCTETS: usize = 4 << 20;

/// After a commit that several shared the next one begins no sooner. It writes every page that it touches, most of which
/// its neighbours touch as well, so that many small ones cost several times what fewer do; on a disk that is slower than
/// this there is no difference. Who comes alone has nobody to wait for.
const PACE: Duration = Duration::from_millis(3);

/// So many jobs may wait before those that bring more have to.
const WAITING: usize = 2 * JOBS;

/// What a job works with.
pub(super) struct Hand<'a> {
    pub db: &'a Connection,
    pub now: Timestamp,
    /// Whose turn it is when new and deferred messages share an odd number of places.
    pub turn: &'a Cell<bool>,
}

/// Why a job was not done; its neighbours were.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// SQLite refuses it.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// It does not fit what the journal holds.
    #[error("{0}")]
    Refused(String),
}

/// The writer's thread and the way to it.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
    times: Histogram,
}

impl Writer {
    /// Has `first` done and committed, then starts the thread, which owns `db` from here on.
    pub(super) fn start<T, F>(db: Connection, clock: Clock, first: F) -> Result<Writer, JournalError>
    where
        F: Fn(&Hand<'_>) -> Result<T, Fault> + Send + 'static,
        T: Send + 'static,
    {
        let (commits, times) = (Arc::new(AtomicU64::new(0)), metrics::histogram(Metric::JournalCommits));
        let pen = Pen {
            db,
            clock,
            turn: Cell::new(false),
            commits: commits.clone(),
            times: times.clone(),
        };
        let (job, mut answered) = job(0, first);
        pen.commit(vec![job]);
        answered.try_recv().map_err(|error| not_written(&error))??;
        let (jobs, waiting) = mpsc::channel(WAITING);
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || pen.write_all(waiting))
            .map_err(|error| not_written(&error))?;
        Ok(Writer {
            jobs: Some(jobs),
            thread: Some(thread),
            commits,
            times,
        })
    }

    /// Has `work` done within the next commit; resolves when that is on disk.
    pub(super) async fn ask<T, F>(&self, weight: usize, work: F) -> Result<T, JournalError>
    where
        F: Fn(&Hand<'_>) -> Result<T, Fault> + Send + 'static,
        T: Send + 'static,
    {
        let stopped = || not_written(&"its writer has stopped");
        let (job, answered) = job(weight, work);
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// How many commits were made.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// How long each took.
    pub(super) fn commit_times(&self) -> Histogram {
        self.times.clone()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // What waits is still written; the lock on the journal goes only after that.
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Pen {
    db: Connection,
    clock: Clock,
    turn: Cell<bool>,
    commits: Arc<AtomicU64>,
    times: Histogram,
}

impl Pen {
    fn write_all(self, mut waiting: mpsc::Receiver<Box<dyn Job>>) {
        let mut shared: Option<Instant> = None;
        while let Some(first) = waiting.blocking_recv() {
            if let Some(early) = shared.and_then(|began| PACE.checked_sub(began.elapsed())) {
                std::thread::sleep(early);
            }
            let began = Instant::now();
            let mut weight = first.weight();
            let mut jobs = vec![first];
            while jobs.len() < JOBS
                && weight < OCTETS
                && let Ok(next) = waiting.try_recv()
            {
                weight += next.weight();
                jobs.push(next);
            }
            shared = (jobs.len() > 1).then_some(began);
            self.commit(jobs);
        }
    }

    fn commit(&self, mut jobs: Vec<Box<dyn Job>>) {
        let committed = self.transaction(&mut jobs);
        if committed.is_err() && !self.db.is_autocommit() {
            // Where even this does not work, the next BEGIN says so.
            let _ = self.run("ROLLBACK");
        }
        for job in jobs {
            job.answer(committed.clone());
        }
    }

    fn transaction(&self, jobs: &mut [Box<dyn Job>]) -> Result<(), JournalError> {
        let began = Instant::now();
        self.run("BEGIN IMMEDIATE")?;
        if let Err(fault) = self.together(jobs) {
            // On a full or failing disk SQLite has ended the whole transaction by itself.
            if self.db.is_autocommit() {
                return Err(fault);
            }
            self.run("ROLLBACK")?;
            self.run("BEGIN IMMEDIATE")?;
            self.apart(jobs)?;
        }
        crash::across(Step::Committed, || self.run("COMMIT"))?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.times.observe(began.elapsed().as_secs_f64());
        Ok(())
    }

    /// Does them all up to the first that can not be done.
    fn together(&self, jobs: &mut [Box<dyn Job>]) -> Result<(), JournalError> {
        jobs.iter_mut().try_for_each(|job| job.perform(&self.hand()))
    }

    /// Does each in a savepoint, so that one that can not be done does not disturb its neighbours. SQLite keeps a copy of
    /// each page that is written within a savepoint, so this is done only where it is needed.
    fn apart(&self, jobs: &mut [Box<dyn Job>]) -> Result<(), JournalError> {
        for job in jobs {
            self.run("SAVEPOINT job")?;
            if let Err(fault) = job.perform(&self.hand()) {
                if self.db.is_autocommit() {
                    return Err(fault);
                }
                self.run("ROLLBACK TO job")?;
            }
            self.run("RELEASE job")?;
        }
        Ok(())
    }

    fn hand(&self) -> Hand<'_> {
        Hand {
            db: &self.db,
            now: self.clock.now(),
            turn: &self.turn,
        }
    }

    fn run(&self, sql: &str) -> Result<(), JournalError> {
        let done = self
            .db
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]));
        done.map(|_| ()).map_err(|error| not_written(&error))
    }
}

fn not_written(reason: &dyn std::fmt::Display) -> JournalError {
    JournalError::NotWritten {
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{job::Told, *};

    fn pen() -> Pen {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE line (n INTEGER PRIMARY KEY, text BLOB)")
            .unwrap();
        Pen {
            db,
            clock: Clock::system(),
            turn: Cell::new(false),
            commits: Arc::default(),
            times: metrics::histogram(Metric::JournalCommits),
        }
    }

    fn line(n: i64, length: usize) -> (Box<dyn Job>, Told<i64>) {
        job(0, move |hand| {
            hand.db.execute(
                "INSERT INTO line VALUES (?1, zeroblob(?2))",
                (n, i64::try_from(length).unwrap()),
            )?;
            Ok(n)
        })
    }

    /// Commits `jobs` together; what each was told, and the lines that are kept.
    fn check(pen: &Pen, jobs: Vec<(Box<dyn Job>, Told<i64>)>, told: &[&str], kept: &[i64]) {
        let (jobs, answers): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        pen.commit(jobs);
        let answers: Vec<String> = answers
            .into_iter()
            .map(|mut answer| match answer.try_recv().unwrap() {
                Ok(n) => n.to_string(),
                Err(error) => error.to_string(),
            })
            .collect();
        assert_eq!(answers, told);
        let mut lines = pen.db.prepare("SELECT n FROM line ORDER BY n").unwrap();
        let lines: Vec<i64> = lines
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(lines, kept);
    }

    #[test]
    fn a_bad_change_does_not_disturb_its_neighbours() {
        let pen = pen();
        let refused = job::<i64, _>(0, |hand| {
            hand.db.execute("INSERT INTO line VALUES (8, NULL)", [])?;
            Err(Fault::Refused("it is odd".into()))
        });
        let panics = job::<i64, _>(0, |hand| {
            hand.db.execute("INSERT INTO line VALUES (9, NULL)", [])?;
            panic!("on purpose")
        });
        check(
            &pen,
            vec![line(1, 0), refused, line(2, 0), line(1, 0), panics, line(3, 0)],
            &[
                "1",
                "the journal can not be written: it is odd",
                "2",
                "the journal can not be written: UNIQUE constraint failed: line.n",
                "the journal can not be written: a fault of this program, which the log shows",
                "3",
            ],
            &[1, 2, 3],
        );
        assert_eq!(pen.commits.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_full_disk_leaves_nothing_of_the_large_one_and_the_writer_lives_on() {
        let pen = pen();
        pen.db.pragma_update(None, "max_page_count", 20).unwrap();
        let full = "the journal can not be written: database or disk is full";
        check(&pen, vec![line(1, 1 << 20)], &[full], &[]);
        pen.db.pragma_update(None, "max_page_count", 2000).unwrap();
        check(&pen, vec![line(2, 1 << 20)], &["2"], &[2]);
    }

    #[test]
    fn when_the_commit_fails_all_are_told_and_nothing_is_kept() {
        let pen = pen();
        pen.db
            .execute_batch(
                "PRAGMA foreign_keys = ON; CREATE TABLE leaf (n REFERENCES line (n) DEFERRABLE INITIALLY DEFERRED)",
            )
            .unwrap();
        let fails_late = job::<i64, _>(0, |hand| {
            hand.db.execute("INSERT INTO leaf VALUES (77)", [])?;
            Ok(77)
        });
        let told = "the journal can not be written: FOREIGN KEY constraint failed";
        check(&pen, vec![line(1, 0), fails_late, line(2, 0)], &[told, told, told], &[]);
        check(&pen, vec![line(3, 0)], &["3"], &[3]);
    }

    #[test]
    fn what_waits_is_committed_together() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let pen = pen();
        let (sender, waiting) = mpsc::channel(WAITING);
        let answers: Vec<Told<i64>> = (0..600)
            .map(|n| {
                let (job, answer) = line(n, 0);
                runtime.block_on(sender.send(job)).map_err(|_| "closed").unwrap();
                answer
            })
            .collect();
        drop(sender);
        let commits = pen.commits.clone();
        pen.write_all(waiting);
        for mut answer in answers {
            assert!(answer.try_recv().unwrap().is_ok());
        }
        assert_eq!(commits.load(Ordering::Relaxed), 2, "512 and the rest");
    }
}
