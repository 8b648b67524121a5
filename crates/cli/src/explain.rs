//! `dipper explain`: definitions and settings take effect, queries and inserts are explained instead of run.

use dipper_session::{ExplainFormat, Session};
use dipper_types::Error;

use crate::args::PlanFormat;
use crate::failure::{Failure, Phase};
use crate::script::Script;
use crate::statement::Console;

/// Explains every query and insert of a script.
pub(crate) async fn run(
    console: &Console,
    session: &mut Session,
    script: &Script,
    format: PlanFormat,
) -> Result<(), Failure> {
    let failed = |error| Failure::statement(error, Phase::Planning, script);
    let format = match format {
        PlanFormat::Text => ExplainFormat::Text,
        PlanFormat::Json => ExplainFormat::Json,
        PlanFormat::Dot => ExplainFormat::Dot,
    };
    let mut explained = 0;
    for statement in session.parse(&script.text).map_err(failed)? {
        if let Some(text) = session.explain(&statement, format).await.map_err(failed)? {
            if explained > 0 && format == ExplainFormat::Text {
                console.print("")?;
            }
            console.print(&text)?;
            explained += 1;
        }
    }
    if explained == 0 {
        let message = format!("'{}' has no query and no INSERT to explain", script.name);
        return Err(Failure::Usage(Error::invalid(message)));
    }
    Ok(())
}
