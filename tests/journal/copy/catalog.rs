//! What stands in a database's own catalogue.

use std::collections::BTreeMap;

use crate::{servers::postgres::Postgres as Server, world::Lies};

/// The columns of each table that are written, by the names of the tables.
pub fn tables(lies: &Lies) -> BTreeMap<String, Vec<String>> {
    let listed = match lies {
        Lies::In(folder) => {
            let db = rusqlite::Connection::open(folder.path().join("journal.db")).unwrap();
            let sql = "SELECT s.name || ' ' || c.name FROM sqlite_schema AS s, pragma_table_info(s.name) AS c
                WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
            let mut statement = db.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
            rows.map(Result::unwrap).collect::<Vec<_>>().join("\n")
        }
        Lies::At(address) => {
            let schema = address.rsplit("%3D").next().unwrap();
            let sql = format!(
                "SELECT table_name || ' ' || column_name FROM information_schema.columns
                 WHERE table_schema = '{schema}' AND is_generated = 'NEVER'"
            );
            Server::shared().psql(&sql).unwrap()
        }
    };
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, column) in listed.lines().filter_map(|line| line.split_once(' ')) {
        tables.entry(table.to_owned()).or_default().push(column.to_owned());
    }
    tables.values_mut().for_each(|columns| columns.sort());
    // What a database has for itself, as `TABLES` in the source says.
    tables.retain(|table, _| !["sieve", "sieved", "schema_version"].contains(&table.as_str()));
    tables
}

/// How the indexes are made, whatever the schema is called.
pub fn indexes(lies: &Lies) -> Vec<String> {
    let made: Vec<String> = match lies {
        Lies::In(folder) => {
            let db = rusqlite::Connection::open(folder.path().join("journal.db")).unwrap();
            let sql = "SELECT sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY sql";
            let mut statement = db.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| row.get(0)).unwrap();
            rows.map(Result::unwrap).collect()
        }
        Lies::At(address) => {
            let schema = address.rsplit("%3D").next().unwrap();
            let sql = format!(
                "SELECT indexdef FROM pg_indexes WHERE schemaname = '{schema}' UNION ALL
                 SELECT format('%s %s', tgname, tgenabled) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
                 WHERE relnamespace = '{schema}'::regnamespace AND NOT tgisinternal ORDER BY 1"
            );
            let said = Server::shared().psql(&sql).unwrap();
            said.lines().map(|line| line.replace(&format!("{schema}."), "")).collect()
        }
    };
    assert!(made.len() > 20, "{made:?}");
    made
}
