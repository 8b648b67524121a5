//! What clients carry about for us: the ticket of a query and the handle of a prepared statement.
//!
//! Both hold the statement itself and nothing is kept on the server for them. So they work at every coordinator, survive its
//! restart, need no place, no expiry and no closing. They are no secret and no permission: a ticket can do only what its bearer, who
//! must log in like anybody, could do by sending the same SQL. Reading a ticket once more runs the query once more.

use arrow_flight::FlightData;
use bytes::Bytes;
use dipper_types::Error;
use prost::Message;
use tonic::Status;

use crate::clock;
use crate::status::{Result, status};

/// The version of the encoding.
const VERSION: u32 = 1;
/// A row of parameters travels in the ticket, so it must fit into any client's message.
const PARAMETER_BYTES_MAX: usize = 1 << 20;

/// A statement and the values of its parameters.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Statement {
    /// The version of the encoding.
    #[prost(uint32, tag = "1")]
    version: u32,
    /// The SQL, with parameters `$1`, `$2`, ….
    #[prost(string, tag = "2")]
    pub(crate) sql: String,
    /// Rows with a value for each parameter, as messages of Flight; empty if none have been bound.
    #[prost(message, repeated, tag = "3")]
    pub(crate) parameters: Vec<FlightData>,
    /// What this execution is known by, for cancelling it; empty in the handle of a prepared statement.
    #[prost(string, tag = "4")]
    pub(crate) execution: String,
}

impl Statement {
    /// A statement without values.
    pub(crate) fn new(sql: String) -> Self {
        Self { version: VERSION, sql, parameters: Vec::new(), execution: String::new() }
    }

    /// The same with these values for its parameters.
    pub(crate) fn bound(&self, parameters: Vec<FlightData>) -> Result<Self> {
        let bytes: usize = parameters.iter().map(Message::encoded_len).sum();
        if bytes > PARAMETER_BYTES_MAX {
            let error = Error::unsupported(format!("the values of the parameters take {bytes} bytes"));
            return Err(status(&error.with_hint(format!("at most {PARAMETER_BYTES_MAX} are possible"))));
        }
        Ok(Self { parameters, ..self.clone() })
    }

    /// The same, to be executed once.
    pub(crate) fn for_execution(&self) -> Self {
        Self { execution: clock::secret(), ..self.clone() }
    }

    /// As a ticket or a handle.
    pub(crate) fn encoded(&self) -> Bytes {
        self.encode_to_vec().into()
    }

    /// From a ticket or a handle.
    pub(crate) fn decoded(bytes: &[u8]) -> Result<Self> {
        match Self::decode(bytes) {
            Ok(statement) if statement.version == VERSION => Ok(statement),
            _ => Err(Status::invalid_argument(
                "this ticket or handle is not one of this server's version: ask for a new one",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_comes_out_as_it_went_in() {
        let statement = Statement::new("SELECT $1".to_owned())
            .bound(vec![FlightData::new().with_data_body(vec![1, 2])])
            .unwrap()
            .for_execution();
        assert_eq!(Statement::decoded(&statement.encoded()).unwrap(), statement);
    }

    #[test]
    fn what_is_no_ticket_is_refused() {
        for bytes in [&b""[..], b"ticket", b"\x08\x02", b"\xff\xff\xff\xff"] {
            assert_eq!(Statement::decoded(bytes).unwrap_err().code(), tonic::Code::InvalidArgument);
        }
    }
}
