//! A process of the binary that goes on running.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::harness::Ran;
use crate::savepoints::interrupt;

/// A process, and what it has said so far.
pub(crate) struct Running {
    pub(crate) child: Child,
    lines: Receiver<String>,
    pub(crate) said: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (say, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
        Self { child, lines, said: String::new() }
    }

    /// Waits until something is so, given what has been said.
    pub(crate) fn until(&mut self, mut is_so: impl FnMut(&str) -> bool) {
        for _ in 0..6_000 {
            if is_so(&self.said) {
                return;
            }
            match self.lines.recv_timeout(Duration::from_millis(10)) {
                Ok(line) => self.said.extend([line.as_str(), "\n"]),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("it has ended: {}", self.said),
            }
        }
        panic!("nothing comes of it: {}", self.said);
    }

    pub(crate) fn interrupt(self) {
        assert_eq!(interrupt(self.child), 130, "{}", self.said);
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ran {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        self.said.extend(self.lines.iter().flat_map(|line| [line, "\n".to_owned()]));
        Ran { code, stdout: String::new(), stderr: self.said }
    }
}
