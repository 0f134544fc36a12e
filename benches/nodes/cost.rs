//! What a message costs, as the server and the kernel tell it.

use std::{collections::BTreeMap, fs};

use crate::{
    desk::{Place, ROLE},
    servers::postgres::Postgres,
};

/// The kernel tells processor time to user space in hundredths of a second on every Linux.
const TICKS: f64 = 100.0;

/// What was measured in a run, for each message.
pub struct Cost {
    pub messages_a_second: f64,
    /// Processor time of all nodes.
    pub node_ms: f64,
    pub database: Option<Database>,
    /// Known behind the line alone.
    pub round_trips: Option<f64>,
}

/// The database's part of it.
pub struct Database {
    /// Processor time of all its processes.
    ms: f64,
    statements: f64,
    /// Those that write.
    commits: f64,
    wal_kib: f64,
    rows: f64,
    disk_kib: f64,
}

const COLUMNS: [&str; 9] = [
    "messages/s",
    "node ms",
    "db ms",
    "statements",
    "commits",
    "trips",
    "WAL KiB",
    "rows",
    "disk KiB",
];

pub fn print_head() {
    print!("{:38}", "");
    COLUMNS.iter().for_each(|column| print!(" {column:>10}"));
    println!();
}

/// The medians of some runs, and the slowest and the fastest of them.
pub fn print(setting: &str, costs: &[Cost]) {
    print!("{setting:38}");
    let of_database =
        |read: fn(&Database) -> f64| median(costs.iter().filter_map(|cost| cost.database.as_ref().map(read)));
    let columns = [
        median(costs.iter().map(|cost| cost.messages_a_second)),
        median(costs.iter().map(|cost| cost.node_ms)),
        of_database(|cost| cost.ms),
        of_database(|cost| cost.statements),
        of_database(|cost| cost.commits),
        median(costs.iter().filter_map(|cost| cost.round_trips)),
        of_database(|cost| cost.wal_kib),
        of_database(|cost| cost.rows),
        of_database(|cost| cost.disk_kib),
    ];
    for column in columns {
        match column {
            Some(number) => print!(" {number:>10.2}"),
            None => print!(" {:>10}", ""),
        }
    }
    let rates = costs.iter().map(|cost| cost.messages_a_second);
    let (least, most) = (rates.clone().fold(f64::INFINITY, f64::min), rates.fold(0.0, f64::max));
    println!("   {least:.0} to {most:.0} a second");
}

fn median(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}

/// How far the server's counters are.
pub struct Meter {
    ticks: f64,
    wal: f64,
}

impl Meter {
    /// From now on statements are counted.
    pub fn read(server: &Postgres) -> Meter {
        server.psql("SELECT pg_stat_statements_reset()").unwrap();
        Meter {
            ticks: ticks(server),
            wal: wal(server),
        }
    }

    pub fn since(&self, server: &Postgres, place: &Place, messages: f64) -> Database {
        let (ticks, wal) = (ticks(server) - self.ticks, wal(server) - self.wal);
        let calls = |which: &str| {
            let sql = format!(
                "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE userid = '{ROLE}'::regrole {which}"
            );
            number(server, &sql)
        };
        let (statements, commits) = (calls(""), calls("AND query = 'COMMIT' AND calls > 1"));
        let tables = format!(
            "pg_class WHERE relkind = 'r' AND relnamespace = '{}'::regnamespace",
            place.schema
        );
        server.psql("ANALYZE").unwrap();
        Database {
            ms: 1e3 * ticks / TICKS / messages,
            statements: statements / messages,
            commits: commits / messages,
            wal_kib: wal / 1024.0 / messages,
            rows: number(server, &format!("SELECT sum(greatest(reltuples, 0)) FROM {tables}")) / messages,
            disk_kib: number(
                server,
                &format!("SELECT sum(pg_total_relation_size(oid)) FROM {tables}"),
            ) / 1024.0
                / messages,
        }
    }
}

fn number(server: &Postgres, sql: &str) -> f64 {
    server.psql(sql).unwrap().parse().unwrap()
}

fn wal(server: &Postgres) -> f64 {
    number(server, "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
}

/// Processor time of the server and all its children so far, those that have ended as well.
fn ticks(server: &Postgres) -> f64 {
    let postmaster = server
        .psql("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)")
        .unwrap();
    let mut processes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for process in fs::read_dir("/proc").unwrap() {
        let process = process.unwrap();
        let Ok(stat) = fs::read_to_string(process.path().join("stat")) else {
            continue;
        };
        if let Some((_, fields)) = stat.rsplit_once(") ") {
            let fields = fields.split(' ').map(str::to_owned).collect();
            processes.insert(process.file_name().to_string_lossy().into_owned(), fields);
        }
    }
    let of = |fields: &Vec<String>, which: &[usize]| -> f64 {
        which.iter().map(|field| fields[*field].parse::<f64>().unwrap()).sum()
    };
    let children = processes.values().filter(|fields| fields[1] == postmaster);
    children.map(|fields| of(fields, &[11, 12])).sum::<f64>() + of(&processes[&postmaster], &[11, 12, 13, 14])
}
