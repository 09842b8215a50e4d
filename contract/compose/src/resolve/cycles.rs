//! Circles in a graph of services.

/// Circles to list; mending these shows the next.
const MOST: usize = 10;

/// The first circles that a walk finds, each begun at its first node.
pub(super) fn find(graph: &[Vec<usize>]) -> Vec<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        Open,
        Done,
    }
    let mut seen = vec![Seen::No; graph.len()];
    let mut circles = Vec::new();
    for start in 0..graph.len() {
        if seen[start] != Seen::No {
            continue;
        }
        // The way from the start, with the number of targets already followed from each node.
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        seen[start] = Seen::Open;
        while let Some((node, next)) = way.last_mut() {
            let Some(&target) = graph[*node].get(*next) else {
                seen[*node] = Seen::Done;
                way.pop();
                continue;
            };
            *next += 1;
            match seen[target] {
                Seen::No => {
                    seen[target] = Seen::Open;
                    way.push((target, 0));
                }
                Seen::Open => {
                    let from =
                        way.iter().position(|(node, _)| *node == target).expect("an open node is on the way");
                    let mut circle: Vec<usize> = way[from..].iter().map(|(node, _)| *node).collect();
                    let first =
                        circle.iter().enumerate().min_by_key(|(_, node)| **node).map_or(0, |(at, _)| at);
                    circle.rotate_left(first);
                    if !circles.contains(&circle) {
                        circles.push(circle);
                    }
                    if circles.len() == MOST {
                        return circles;
                    }
                }
                Seen::Done => {}
            }
        }
    }
    circles
}
