//! The sinks of a job as commits see them, without any task: what a manifest names is committed by whoever finds it.

use std::sync::Arc;

use dipper_checkpoint::Committables;
use dipper_graph::{JobGraph, NodeId, OperatorSpec};
use dipper_operator_api::{Committable, Sink};
use dipper_types::{Epoch, Error, ManifestNumber, OperatorId, Result};
use serde::{Deserialize, Serialize};

use crate::Components;
use crate::run::{Run, is_earlier};

/// The sinks of a job.
#[derive(Debug, Clone)]
pub(crate) struct Outputs(Arc<[Output]>);

#[derive(Debug)]
struct Output {
    node: NodeId,
    id: OperatorId,
    table: String,
    sink: Arc<dyn Sink>,
}

/// A committable and whose it is. Tasks are numbered anew when a job is rescaled; a sink is known by its operator, or by its table if the
/// query before it has changed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StagedOutput {
    sink: OperatorId,
    table: String,
    staged: Staged,
}

/// As text, if it is text, so that people can read it in the manifest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Staged {
    Text(String),
    Bytes(Vec<u8>),
}

impl StagedOutput {
    /// The bytes of a committable that the protocol carries.
    pub(crate) fn encode(sink: &OperatorId, table: &str, Committable(bytes): Committable) -> Result<Vec<u8>> {
        let staged = match String::from_utf8(bytes) {
            Ok(text) => Staged::Text(text),
            Err(error) => Staged::Bytes(error.into_bytes()),
        };
        let output = Self { sink: sink.clone(), table: table.to_owned(), staged };
        serde_json::to_vec(&output).map_err(|error| Error::internal(error.to_string()))
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| Error::internal(format!("not a committable: {error}")))
    }

    fn committable(self) -> Committable {
        Committable(match self.staged {
            Staged::Text(text) => text.into_bytes(),
            Staged::Bytes(bytes) => bytes,
        })
    }
}

/// Who commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commit {
    /// The attempt that has written the manifest; all sinks if it is the last of the job, so that none stays without its table.
    Own { is_final: bool },
    /// Another attempt, which does not know whether it has been committed.
    Again,
    /// Another job, which starts from the manifest as a savepoint and need not write the same tables.
    OfSavepoint,
}

impl Outputs {
    /// The sinks of a graph.
    pub(crate) fn of(graph: &JobGraph, components: &dyn Components) -> Result<Self> {
        let mut outputs = Vec::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            if let OperatorSpec::Sink(spec) = &node.spec {
                let (table, sink) = (spec.table.name.clone(), components.sink(&spec.table)?);
                outputs.push(Output { node: NodeId(index), id: node.id.clone(), table, sink });
            }
        }
        Ok(Self(outputs.into()))
    }

    /// Has the sinks commit what a manifest names.
    pub(crate) async fn commit(&self, epoch: Epoch, committables: Committables, how: Commit) -> Result<()> {
        let mut shares: Vec<Vec<Committable>> = self.0.iter().map(|_| Vec::new()).collect();
        for bytes in committables.into_values().flatten() {
            let output = StagedOutput::decode(&bytes)?;
            match self.place(&output) {
                Some(place) => shares[place].push(output.committable()),
                None if how == Commit::OfSavepoint => {}
                None => return Err(no_sink(&output.table)),
            }
        }
        for (output, share) in self.0.iter().zip(shares) {
            match how {
                _ if share.is_empty() && how != (Commit::Own { is_final: true }) => {}
                Commit::Own { .. } => output.sink.commit(epoch, share).await?,
                Commit::Again | Commit::OfSavepoint => output.sink.commit_again(epoch, share).await?,
            }
        }
        Ok(())
    }

    /// Removes what attempts of the job before the one with this opening have staged.
    pub(crate) async fn sweep(&self, job: &str, before: ManifestNumber) {
        for output in &*self.0 {
            if let Err(error) = output.sink.sweep(&|run: &str| is_earlier(run, job, before)).await {
                tracing::warn!(%error, "cannot remove what an earlier attempt has staged");
            }
        }
    }

    /// Removes what a run has staged and not committed.
    pub(crate) async fn abort(&self, run: &Run) {
        for output in &*self.0 {
            let run = run.of_sink(output.node);
            if let Err(error) = output.sink.abort(&run).await {
                tracing::debug!(run, %error, "cannot remove what the sink has staged");
            }
        }
    }

    fn place(&self, output: &StagedOutput) -> Option<usize> {
        let same_operator = || self.0.iter().position(|known| known.id == output.sink);
        same_operator().or_else(|| self.0.iter().position(|known| known.table == output.table))
    }
}

/// The table that a sink writes.
pub(crate) fn table_of(graph: &JobGraph, sink: &OperatorId) -> String {
    let table = graph.nodes.iter().find(|node| node.id == *sink).and_then(|node| match &node.spec {
        OperatorSpec::Sink(spec) => Some(spec.table.name.clone()),
        _ => None,
    });
    table.unwrap_or_default()
}

fn no_sink(table: &str) -> Error {
    Error::invalid(format!("the last checkpoint has rows for table '{table}', into which this job does not write"))
        .with_hint("run the job as it was once more, or give this one another 'pipeline.name'")
}
