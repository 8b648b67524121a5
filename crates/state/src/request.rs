//! What somebody wants of a running job, said through the job's directory: it works from any process and any machine that can write there,
//! and needs no port. The asker creates `requests/<id>.json`; the job looks there from time to time, and answers beside it.

use bytes::Bytes;
use dipper_types::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::checkpoint_store::CheckpointStore;
use crate::directory::{Created, Directory};

const REQUESTS: &str = "requests";

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// Tells it from all others.
    pub id: String,
    /// What is to be done.
    pub kind: RequestKind,
    /// The directory or URL of the savepoint.
    pub target: String,
}

/// What a job is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestKind {
    /// Take a savepoint and go on.
    Savepoint,
    /// Take a savepoint and stop.
    Stop,
    /// End all inputs, take a savepoint of what is left then, and stop.
    Drain,
}

/// What a job says to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// It has begun.
    Taken,
    /// The savepoint is there.
    Done,
    /// There is no savepoint, because of this.
    Failed(String),
}

impl CheckpointStore {
    /// Asks the job for something.
    pub async fn ask(&self, request: &JobRequest) -> Result<()> {
        match self.put_request(&format!("{}.json", request.id), request).await? {
            Created::Own => Ok(()),
            Created::Other => Err(Error::internal(format!("there is another request '{}'", request.id))),
        }
    }

    /// What the job is asked for and has not done.
    pub async fn requests(&self) -> Result<Vec<JobRequest>> {
        let directory = self.requests_directory();
        let mut requests = Vec::new();
        for entry in directory.list().await? {
            let Some(id) = entry.name.strip_suffix(".json") else { continue };
            let Some(bytes) = directory.get(&entry.name).await? else { continue };
            match serde_json::from_slice::<JobRequest>(&bytes) {
                Ok(request) if request.id == id => requests.push(request),
                // Nothing that could be done, now or later.
                _ => self.answer(id, &Answer::Failed("the job does not know what is wanted".to_owned())).await?,
            }
        }
        Ok(requests)
    }

    /// Answers a request. One that has been begun only is seen again by whoever runs the job next.
    pub async fn answer(&self, id: &str, answer: &Answer) -> Result<()> {
        if *answer == Answer::Taken {
            return self.put_request(&format!("{id}.taken"), answer).await.map(drop);
        }
        self.put_request(&format!("{id}.done"), answer).await?;
        self.requests_directory().delete(&format!("{id}.json")).await
    }

    /// The last answer to a request, if there is one.
    pub async fn answer_to(&self, id: &str) -> Result<Option<Answer>> {
        for end in ["done", "taken"] {
            if let Some(bytes) = self.requests_directory().get(&format!("{id}.{end}")).await? {
                let answer = serde_json::from_slice(&bytes);
                return answer.map(Some).map_err(|error| Error::internal(format!("not an answer: {error}")));
            }
        }
        Ok(None)
    }

    /// Removes a request and its answers.
    pub async fn withdraw(&self, id: &str) -> Result<()> {
        for end in ["json", "taken", "done"] {
            self.requests_directory().delete(&format!("{id}.{end}")).await?;
        }
        Ok(())
    }

    fn requests_directory(&self) -> Directory {
        self.directory.child(REQUESTS)
    }

    async fn put_request(&self, name: &str, what: &impl Serialize) -> Result<Created> {
        let bytes = serde_json::to_vec(what).map_err(|error| Error::internal(error.to_string()))?;
        Ok(self.requests_directory().create(name, &Bytes::from(bytes)).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dipper_types::JobId;

    use super::*;

    #[tokio::test]
    async fn a_request_is_seen_until_it_is_done_and_its_answers_until_it_is_withdrawn() {
        let directory = Directory::open("memory://", &BTreeMap::new()).unwrap();
        let store = CheckpointStore::new(&directory, JobId("job".to_owned()));
        let request = JobRequest { id: "7".to_owned(), kind: RequestKind::Stop, target: "there".to_owned() };
        store.ask(&request).await.unwrap();
        assert_eq!(store.requests().await.unwrap(), [request]);
        assert_eq!(store.answer_to("7").await.unwrap(), None);
        let failed = Answer::Failed("no".to_owned());
        for (answer, left) in [(Answer::Taken, 1), (failed, 0)] {
            store.answer("7", &answer).await.unwrap();
            assert_eq!(store.requests().await.unwrap().len(), left);
            assert_eq!(store.answer_to("7").await.unwrap(), Some(answer));
        }
        store.withdraw("7").await.unwrap();
        assert_eq!(store.answer_to("7").await.unwrap(), None);
    }
}
