//! Who is let in, what is remembered, and when it is forgotten.

use dipper_session::SessionConfig;
use tonic::Code;

use super::*;

const HOUR: Duration = Duration::from_hours(1);

fn sessions(users: Option<&str>, idle: Duration, count_max: usize) -> Arc<Sessions> {
    let base = Session::new(SessionConfig::default()).unwrap();
    Sessions::new(base, users.map(|users| Users::parse(users).unwrap()), idle, count_max)
}

fn header(value: &str) -> MetadataMap {
    let mut headers = MetadataMap::new();
    headers.insert("authorization", value.parse().unwrap());
    headers
}

fn bearer(token: &str) -> MetadataMap {
    header(&format!("Bearer {token}"))
}

/// What is refused, and how.
fn refused(sessions: &Arc<Sessions>, headers: &MetadataMap) -> Code {
    sessions.caller(headers).err().map_or(Code::Ok, |status| status.code())
}

#[test]
fn with_users_only_they_are_let_in() {
    let sessions = sessions(Some("ada:lovelace"), HOUR, 10);
    assert_eq!(refused(&sessions, &MetadataMap::new()), Code::Unauthenticated);
    // ada:lovelace and ada:lovelacf
    assert_eq!(refused(&sessions, &header("Basic YWRhOmxvdmVsYWNl")), Code::Ok);
    assert_eq!(refused(&sessions, &header("Basic YWRhOmxvdmVsYWNm")), Code::Unauthenticated);
    assert_eq!(refused(&sessions, &bearer("guess")), Code::Unauthenticated);
    let token = sessions.caller(&header("Basic YWRhOmxvdmVsYWNl")).unwrap().remember().to_owned();
    assert_eq!(refused(&sessions, &bearer(&token)), Code::Ok);
}

#[test]
fn without_users_anybody_is_let_in() {
    let sessions = sessions(None, HOUR, 10);
    assert_eq!(refused(&sessions, &MetadataMap::new()), Code::Ok);
    assert_eq!(refused(&sessions, &header("Basic YWRhOmxvdmVsYWNl")), Code::Ok);
    // Whoever believes to have a session is told that it is gone, rather than served by another.
    assert_eq!(refused(&sessions, &bearer("guess")), Code::Unauthenticated);
}

#[tokio::test]
async fn what_a_client_changes_stays_with_it_alone() {
    async fn batch_size(session: &mut Session) -> Option<String> {
        use futures::StreamExt;
        let parsed = session.parse("SET").unwrap().remove(0);
        let dipper_session::Outcome::Rows(mut rows) = session.execute(&parsed).await.unwrap() else { return None };
        let batch = rows.stream.next().await?.unwrap();
        let column = |index: usize| arrow::array::cast::as_string_array(batch.column(index)).clone();
        let row = column(0).iter().position(|key| key == Some("execution.batch-size"))?;
        Some(column(1).value(row).to_owned())
    }
    let sessions = sessions(None, HOUR, 10);
    let mut caller = sessions.caller(&MetadataMap::new()).unwrap();
    let before = batch_size(&mut caller.session()).await.unwrap();
    let mut change = caller.change().await.unwrap();
    let set = change.session.parse("SET 'execution.batch-size' = '77'").unwrap().remove(0);
    change.session.execute(&set).await.unwrap();
    change.keep();
    let mut headers = MetadataMap::new();
    caller.introduce(&mut headers);
    drop(caller);
    let mut again = sessions.caller(&headers).unwrap();
    assert_eq!(batch_size(&mut again.session()).await.unwrap(), "77");
    let mut headers = MetadataMap::new();
    again.remember();
    again.introduce(&mut headers);
    assert!(headers.is_empty(), "the client knows its token already");
    let other = sessions.caller(&MetadataMap::new()).unwrap();
    assert_eq!(batch_size(&mut other.session()).await.unwrap(), before);
}

#[test]
fn a_session_ends_after_its_time_unless_a_call_uses_it() {
    let sessions = sessions(None, Duration::ZERO, 10);
    let mut caller = sessions.caller(&MetadataMap::new()).unwrap();
    let token = caller.remember().to_owned();
    assert_eq!(refused(&sessions, &bearer(&token)), Code::Ok);
    drop(caller);
    assert_eq!(refused(&sessions, &bearer(&token)), Code::Unauthenticated);
}

#[test]
fn the_number_of_sessions_is_limited() {
    let sessions = sessions(None, HOUR, 3);
    let remember = || sessions.caller(&MetadataMap::new()).unwrap().remember().to_owned();
    let tokens: Vec<_> = (0..20).map(|_| remember()).collect();
    let living = tokens.iter().filter(|token| refused(&sessions, &bearer(token)) == Code::Ok).count();
    assert_eq!(living, 3);
}

#[test]
fn a_session_that_is_closed_is_gone() {
    let sessions = sessions(None, HOUR, 10);
    let mut caller = sessions.caller(&MetadataMap::new()).unwrap();
    let token = caller.remember().to_owned();
    caller.forget();
    assert_eq!(refused(&sessions, &bearer(&token)), Code::Unauthenticated);
}
