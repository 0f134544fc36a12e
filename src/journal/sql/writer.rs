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
use tokio::sync::mpsc;

use super::{
    database::{Database, Fault, Purpose},
    tenure::{Rights, Tenure},
};
use crate::{
    clock::Clock,
    crash::{self, Step},
    journal::JournalError,
    metrics::{self, Metric},
};

mod job;

use job::{Job, Told, job};

/// No commit holds more jobs than this, nor begins another one beyond so many octets: a commit stays well below
/// a second, and so does the wait of whoever comes next.
const JOBS: usize = 512;
const OCTETS: usize = 4 << 20;

/// After a commit that several shared the next one begins no sooner. It writes every page that it touches, most of which
/// its neighbours touch as well, so that many small ones cost several times what fewer do; on a disk that is slower than
/// this there is no difference. Who comes alone has nobody to wait for.
const PACE: Duration = Duration::from_millis(3);

/// So long after one look the next one is taken for what came of a commit that had no answer.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// So many jobs may wait before those that bring more have to.
const WAITING: usize = 2 * JOBS;

/// What a job works with.
pub(super) struct Hand<'a> {
    pub db: &'a dyn Database,
    pub now: Timestamp,
    /// What this process may do.
    pub rights: &'a Rights,
    /// Whose turn it is when new and deferred messages share an odd number of places.
    pub turn: &'a Cell<bool>,
}

/// The writer's thread and the way to it.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
    times: Histogram,
}

impl Writer {
    /// Starts the thread, which owns `db` from here on, and has `first` done and committed. It keeps there
    /// which node it is.
    pub(super) fn start<T, F>(
        db: Box<dyn Database>,
        clock: Clock,
        tenure: Arc<Tenure>,
        first: F,
    ) -> Result<Writer, JournalError>
    where
        F: Fn(&Hand<'_>) -> Result<T, Fault> + Send + 'static,
        T: Send + 'static,
    {
        let (commits, times) = (Arc::new(AtomicU64::new(0)), metrics::histogram(Metric::JournalCommits));
        let pen = Pen {
            db,
            clock,
            rights: Rights::of(tenure),
            turn: Cell::new(false),
            commits: commits.clone(),
            times: times.clone(),
        };
        let (job, mut answered) = job(0, first);
        let (jobs, mut waiting) = mpsc::channel(WAITING);
        let (begun, has_begun) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || {
                pen.commit(vec![job], &mut waiting);
                let _ = begun.send(());
                pen.write_all(waiting);
            })
            .map_err(|error| not_written(&error))?;
        has_begun.recv().map_err(|error| not_written(&error))?;
        answered.try_recv().map_err(|error| not_written(&error))??;
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
        self.hand_in(weight, work).await?.await.map_err(|_| stopped())?
    }

    /// The same; resolves when it has its place among those that wait.
    pub(super) async fn hand_in<T, F>(&self, weight: usize, work: F) -> Result<Told<T>, JournalError>
    where
        F: Fn(&Hand<'_>) -> Result<T, Fault> + Send + 'static,
        T: Send + 'static,
    {
        let (job, told) = job(weight, work);
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job).await.map_err(|_| stopped())?;
        Ok(told)
    }

    /// Tells it that nothing comes for a while.
    pub(super) async fn rest(&self) -> Result<(), JournalError> {
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(Box::new(job::Rest)).await.map_err(|_| stopped())
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
    db: Box<dyn Database>,
    clock: Clock,
    rights: Rights,
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
            self.commit(jobs, &mut waiting);
        }
    }

    fn commit(&self, mut jobs: Vec<Box<dyn Job>>, waiting: &mut mpsc::Receiver<Box<dyn Job>>) {
        let began = Instant::now();
        let committed = match self.transaction(&mut jobs) {
            Err(Fault::Unanswered(reason)) => self.what_came(&reason, waiting),
            made => made.map_err(|fault| not_written(&fault)),
        };
        if committed.is_ok() {
            self.rights.keep();
            self.commits.fetch_add(1, Ordering::Relaxed);
            self.times.observe(began.elapsed().as_secs_f64());
        } else if self.db.is_open() {
            // Where even this does not work, the next one that begins says so.
            let _ = self.db.roll_back();
        }
        let rests = jobs.iter().any(|job| job.rests());
        for job in jobs {
            job.answer(committed.clone());
        }
        if rests {
            self.db.rest();
        }
    }

    fn transaction(&self, jobs: &mut [Box<dyn Job>]) -> Result<(), Fault> {
        self.begin()?;
        if let Err(fault) = self.together(jobs) {
            // A full or failing disk, the end of a connection have ended the whole transaction; and one alone has no
            // neighbours that it could disturb.
            if !self.db.is_open() || jobs.len() == 1 {
                return Err(fault);
            }
            self.db.roll_back()?;
            self.begin()?;
            self.apart(jobs)?;
        }
        crash::across(Step::Committed, || self.db.commit())
    }

    fn begin(&self) -> Result<(), Fault> {
        self.rights.begin();
        self.db.begin(Purpose::Write)
    }

    /// Does them all up to the first that can not be done.
    fn together(&self, jobs: &mut [Box<dyn Job>]) -> Result<(), Fault> {
        jobs.iter_mut().try_for_each(|job| job.perform(&self.hand()))
    }

    /// Does each in a savepoint, so that one that can not be done does not disturb its neighbours. SQLite keeps a copy of
    /// each page that is written within a savepoint, and another server has to be told of each, so this is done only where it
    /// is needed.
    fn apart(&self, jobs: &mut [Box<dyn Job>]) -> Result<(), Fault> {
        for job in jobs {
            self.db.run("SAVEPOINT job", &[])?;
            if let Err(fault) = job.perform(&self.hand()) {
                if !self.db.is_open() {
                    return Err(fault);
                }
                self.db.run("ROLLBACK TO job", &[])?;
            }
            self.db.run("RELEASE job", &[])?;
        }
        Ok(())
    }

    fn hand(&self) -> Hand<'_> {
        Hand {
            db: &*self.db,
            now: self.clock.now(),
            rights: &self.rights,
            turn: &self.turn,
        }
    }

    /// Whether a commit was made that had no answer. Until that is known nothing else is written: it would meet what is
    /// perhaps there.
    fn what_came(&self, reason: &str, waiting: &mut mpsc::Receiver<Box<dyn Job>>) -> Result<(), JournalError> {
        loop {
            match self.db.was_kept() {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(not_written(&reason)),
                // The process ends; the next start gives back what this one has in hand.
                Err(_) if waiting.is_closed() => return Err(not_written(&reason)),
                Err(fault) => {
                    while let Ok(job) = waiting.try_recv() {
                        job.answer(Err(not_written(&fault)));
                    }
                    std::thread::sleep(LOOK_AGAIN);
                }
            }
        }
    }
}

pub(super) fn stopped() -> JournalError {
    not_written(&"its writer has stopped")
}

fn not_written(reason: &dyn std::fmt::Display) -> JournalError {
    JournalError::NotWritten {
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{sql::value::values, sqlite};

    fn pen() -> Pen {
        let pen = Pen {
            db: sqlite::in_memory(),
            clock: Clock::system(),
            rights: Rights::default(),
            turn: Cell::new(false),
            commits: Arc::default(),
            times: metrics::histogram(Metric::JournalCommits),
        };
        done(&pen, "CREATE TABLE line (n INTEGER PRIMARY KEY, text BLOB)");
        pen
    }

    /// Also what answers with rows.
    fn done(pen: &Pen, sql: &str) {
        pen.db.each(sql, &[], &mut |_| Ok(true)).unwrap();
    }

    fn line(n: i64, length: usize) -> (Box<dyn Job>, Told<i64>) {
        job(0, move |hand| {
            let length = i64::try_from(length).unwrap();
            hand.db
                .run("INSERT INTO line VALUES (?1, zeroblob(?2))", values![n, length])?;
            Ok(n)
        })
    }

    /// Commits `jobs` together; what each was told, and the lines that are kept.
    fn check(pen: &Pen, jobs: Vec<(Box<dyn Job>, Told<i64>)>, told: &[&str], kept: &[i64]) {
        let (jobs, answers): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        pen.commit(jobs, &mut mpsc::channel(1).1);
        let answers: Vec<String> = answers
            .into_iter()
            .map(|mut answer| match answer.try_recv().unwrap() {
                Ok(n) => n.to_string(),
                Err(error) => error.to_string(),
            })
            .collect();
        assert_eq!(answers, told);
        let lines: Vec<i64> = pen
            .db
            .list("SELECT n FROM line ORDER BY n", &[], |row| row.get(0))
            .unwrap();
        assert_eq!(lines, kept);
    }

    #[test]
    fn a_bad_change_does_not_disturb_its_neighbours() {
        let pen = pen();
        let refused = job::<i64, _>(0, |hand| {
            hand.db.run("INSERT INTO line VALUES (8, NULL)", &[])?;
            Err(Fault::Refused("it is odd".into()))
        });
        let panics = job::<i64, _>(0, |hand| {
            hand.db.run("INSERT INTO line VALUES (9, NULL)", &[])?;
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
        done(&pen, "PRAGMA max_page_count = 20");
        let full = "the journal can not be written: database or disk is full";
        check(&pen, vec![line(1, 1 << 20)], &[full], &[]);
        done(&pen, "PRAGMA max_page_count = 2000");
        check(&pen, vec![line(2, 1 << 20)], &["2"], &[2]);
    }

    #[test]
    fn when_the_commit_fails_all_are_told_and_nothing_is_kept() {
        let pen = pen();
        done(&pen, "PRAGMA foreign_keys = ON");
        done(
            &pen,
            "CREATE TABLE leaf (n REFERENCES line (n) DEFERRABLE INITIALLY DEFERRED)",
        );
        let fails_late = job::<i64, _>(0, |hand| {
            hand.db.run("INSERT INTO leaf VALUES (77)", &[])?;
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
