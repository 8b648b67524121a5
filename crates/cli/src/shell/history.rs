//! The shell's history, in the user's data directory. Without one the shell works just as well.

use std::env;
use std::path::{Path, PathBuf};

use rustyline::Editor;
use rustyline::history::FileHistory;

use super::input::ShellInput;

/// `$XDG_DATA_HOME/dipper/history`, or `~/.local/share/dipper/history`.
pub(super) fn path() -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(absolute);
    let data = data.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".local/share")));
    Some(data?.join("dipper").join("history"))
}

/// Takes up the history of earlier sessions.
pub(super) fn load(editor: &mut Editor<ShellInput, FileHistory>, path: &Path) {
    if let Err(error) = editor.load_history(path) {
        tracing::debug!("no history in {}: {error}", path.display());
    }
}

/// Keeps the history for later sessions.
pub(super) fn save(editor: &mut Editor<ShellInput, FileHistory>, path: &Path) {
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    if let Err(error) = made.map_err(Into::into).and_then(|()| editor.append_history(path)) {
        tracing::warn!("history not kept in {}: {error}", path.display());
    }
}
