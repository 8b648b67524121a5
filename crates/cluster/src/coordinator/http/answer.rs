//! What calls come to, and how refusals are said.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use dipper_types::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;

use super::Api;
use super::body::{Failure, Place};
use crate::rpc;

/// The answer to a call.
pub(super) type Answer<T> = Result<T, Refusal>;

/// A call that is not done, and why.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) failure: Box<Failure>,
}

impl Api {
    /// What a call comes to.
    pub(super) async fn answer<T>(&self, call: impl Future<Output = Result<T>>) -> Answer<T> {
        Ok(self.leaders.answer(&self.jobs, call).await?)
    }

    /// The same of a call about a job, which may not be there.
    pub(super) async fn answer_about<T>(&self, job: &str, call: impl Future<Output = Result<T>>) -> Answer<T> {
        let answer = self.answer(call).await;
        let is_invalid = matches!(&answer, Err(refusal) if refusal.status == StatusCode::BAD_REQUEST);
        let is_unknown =
            is_invalid && matches!(self.jobs.show(job).await, Err(error) if error.kind() == ErrorKind::Invalid);
        answer.map_err(|refusal| refusal.not_found_if(is_unknown))
    }
}

impl Refusal {
    pub(super) fn unknown_route(method: &Method, uri: &Uri) -> Self {
        let error = Error::invalid(format!("there is no {method} {}", uri.path()));
        Self::of(StatusCode::NOT_FOUND, &error.with_hint("GET /openapi.json says what there is"))
    }

    pub(super) fn wrong_method(method: &Method, uri: &Uri) -> Self {
        let error = Error::invalid(format!("{} is not asked by {method}", uri.path()));
        Self::of(StatusCode::METHOD_NOT_ALLOWED, &error.with_hint("GET /openapi.json says how"))
    }

    pub(super) fn stranger() -> Self {
        let error = Error::invalid("the token is not that of this cluster");
        Self::of(StatusCode::UNAUTHORIZED, &error.with_hint("send it: Authorization: Bearer TOKEN"))
    }

    pub(super) fn foreign(origin: &str) -> Self {
        let error = Error::invalid(format!("a page of '{origin}' may not command the cluster"));
        Self::of(StatusCode::FORBIDDEN, &error)
    }

    /// What is asked about is not there.
    pub(super) fn not_found_if(self, is_unknown: bool) -> Self {
        let status = if is_unknown && self.failure.leader.is_none() { StatusCode::NOT_FOUND } else { self.status };
        Self { status, ..self }
    }

    fn of(status: StatusCode, error: &Error) -> Self {
        Self { status, failure: Box::new(rpc::Error::from(error).into()) }
    }

    /// A request that is not understood.
    fn not_understood(status: StatusCode, why: String) -> Self {
        Self::of(status, &Error::invalid(why))
    }
}

impl From<rpc::Error> for Refusal {
    fn from(error: rpc::Error) -> Self {
        let status = match Error::from(error.clone()).kind() {
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
            ErrorKind::Unavailable | ErrorKind::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Fenced => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, failure: Box::new(error.into()) }
    }
}

impl From<rpc::Error> for Failure {
    fn from(error: rpc::Error) -> Self {
        let rpc::Error { kind, message, hint, span, leader, .. } = error;
        let span = span.map(|rpc::Span { start_line, start_column, end_line, end_column }| Place {
            start_line,
            start_column,
            end_line,
            end_column,
        });
        Self { kind, message, hint, span, leader }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.failure)).into_response()
    }
}

/// The body of a request.
pub(super) struct Sent<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Sent<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Answer<Self> {
        let read = Json::from_request(request, state).await;
        let refuse = |refused: JsonRejection| Refusal::not_understood(status(refused.status()), refused.body_text());
        read.map(|Json(body)| Self(body)).map_err(refuse)
    }
}

/// The part of the path that names something.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let read = Path::from_request_parts(parts, state).await;
        let refuse = |refused: PathRejection| Refusal::not_understood(refused.status(), refused.body_text());
        read.map(|Path(name)| Self(name)).map_err(refuse)
    }
}

/// What is asked behind the path.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let read = Query::from_request_parts(parts, state).await;
        let refuse = |refused: QueryRejection| Refusal::not_understood(refused.status(), refused.body_text());
        read.map(|Query(asked)| Self(asked)).map_err(refuse)
    }
}

/// JSON of another shape is as invalid as what is no JSON.
fn status(of_rejection: StatusCode) -> StatusCode {
    match of_rejection {
        StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        other => other,
    }
}
