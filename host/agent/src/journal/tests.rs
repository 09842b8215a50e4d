use contract_values::Epoch;
use proptest::prelude::*;

use super::*;

fn records() -> Vec<Record> {
    vec![
        Record::Fence { epoch: Epoch(3) },
        Record::Complete { position: Position::default(), assignment: Assignment::default() },
        Record::Demand { id: ContainerId::new(1), demand: Demand { asked: 2, not: Some(Timestamp(5)) } },
        Record::Forget { what: Forgotten::Native { docker_id: "d".into() } },
        Record::Seen { items: vec![ReportItem::NativeGone { docker_id: "d".into() }] },
    ]
}

fn written(records: &[Record]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    let mut ends = vec![0];
    for record in records {
        encode(record, &mut bytes);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

#[test]
fn what_was_written_is_read() {
    let (bytes, _) = written(&records());
    assert_eq!(scan(&bytes), Scan::Sound { records: records(), length: bytes.len() });
    assert_eq!(scan(&[]), Scan::Sound { records: vec![], length: 0 });
}

#[test]
fn a_torn_end_is_cut_off_wherever_it_was_torn() {
    let (bytes, ends) = written(&records());
    for length in 0..bytes.len() {
        let whole = ends.iter().filter(|&&end| end <= length).count() - 1;
        let expected = Scan::Sound { records: records()[..whole].to_vec(), length: ends[whole] };
        assert_eq!(scan(&bytes[..length]), expected, "torn at {length}");
        // The file may have been made longer before the bytes came.
        let mut longer = bytes[..length].to_vec();
        longer.resize(bytes.len() + 100, 0);
        let Scan::Sound { records: found, .. } = scan(&longer) else {
            panic!("torn at {length} with zeros after")
        };
        assert!(found.len() <= whole + 1 && found == records()[..found.len()], "torn at {length}");
    }
}

proptest! {
    #[test]
    fn a_flipped_bit_is_never_believed(place in 0..1000_usize, bit in 0..8_u32) {
        let (mut bytes, ends) = written(&records());
        let place = place % bytes.len();
        bytes[place] ^= 1 << bit;
        match scan(&bytes) {
            Scan::Corrupt { at, .. } => prop_assert!(at <= place),
            Scan::Sound { records: found, length } => {
                // In the last record it looks like a torn end, of which nobody has heard.
                prop_assert!(place >= ends[ends.len() - 2], "at {}", place);
                prop_assert_eq!(length, ends[found.len()]);
                prop_assert_eq!(&found[..], &records()[..found.len()]);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = scan(&bytes);
    }
}
