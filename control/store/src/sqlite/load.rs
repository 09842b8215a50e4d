//! Reading everything at the start: this thread reads columns, others make rows of them, and one more puts those into
//! the picture. Making rows takes most of the time, and a server that starts has nothing else to do.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use control_model::{AnyRow, Kind, Tables};

use crate::database::DatabaseError;
use crate::row::{Columns, decode};

/// Rows that are handed on together.
const BATCH: usize = 256;
/// Batches that may wait at each step.
const WAITING: usize = 8;
/// More threads would wait for the one that reads.
const MOST_THREADS: usize = 4;

/// Takes columns, some at a time.
pub(super) struct Intake {
    batches: SyncSender<(Kind, Vec<Columns>)>,
    batch: Vec<Columns>,
    kind: Kind,
}

impl Intake {
    /// Takes the columns of one row. A fault further on is told at the end.
    pub(super) fn take(&mut self, kind: Kind, columns: Columns) {
        if kind != self.kind || self.batch.len() == BATCH {
            self.hand_on();
            self.kind = kind;
        }
        self.batch.push(columns);
    }

    fn hand_on(&mut self) {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        if !batch.is_empty() {
            // Whoever takes them goes on to the end.
            let _ = self.batches.send((self.kind, batch));
        }
    }
}

/// Makes a picture of what `read` hands to the intake.
pub(super) fn picture(
    read: impl FnOnce(&mut Intake) -> Result<(), DatabaseError>,
) -> Result<Tables, DatabaseError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).clamp(1, MOST_THREADS);
    let (batches, columns) = sync_channel(WAITING);
    let (decoded, rows) = sync_channel(WAITING);
    let columns = Mutex::new(columns);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (columns, decoded) = (&columns, decoded.clone());
            scope.spawn(move || decode_all(columns, &decoded));
        }
        drop(decoded);
        let put = scope.spawn(move || put_all(&rows));
        let mut intake = Intake { batches, batch: Vec::with_capacity(BATCH), kind: Kind::Account };
        let done = read(&mut intake);
        intake.hand_on();
        drop(intake);
        let tables = put.join().expect("putting rows into the picture does not panic");
        done.and(tables)
    })
}

fn decode_all(
    columns: &Mutex<Receiver<(Kind, Vec<Columns>)>>,
    decoded: &SyncSender<Result<Vec<AnyRow>, DatabaseError>>,
) {
    loop {
        let next = columns.lock().expect("nobody panics while receiving").recv();
        let Ok((kind, batch)) = next else { return };
        let rows = batch.into_iter().map(|columns| decode(kind, columns)).collect::<Result<Vec<_>, _>>();
        let rows = rows.map_err(|error| DatabaseError::Damaged { detail: error.to_string() });
        // After a fault it goes on to the end, because the thread that reads waits for room in the queue.
        if decoded.send(rows).is_err() {
            return;
        }
    }
}

fn put_all(rows: &Receiver<Result<Vec<AnyRow>, DatabaseError>>) -> Result<Tables, DatabaseError> {
    let mut tables = Tables::default();
    let mut fault = None;
    for batch in rows {
        match batch {
            Ok(batch) if fault.is_none() => batch.into_iter().for_each(|row| tables.put(row)),
            // Whoever still reads and decodes is let finish.
            Ok(_) => {}
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    fault.map_or(Ok(tables), Err)
}

#[cfg(test)]
mod tests;
