// SPDX-License-Identifier: Apache-2.0
//
// Credentials printed by a program: a profile's credential_process.
//
// Thread safety: pure functions; they block while the program runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/auth/aws_context.h"

namespace lancefs {

// The words of a command line, quoted as for a POSIX shell ('', "", \). Nothing is expanded: no
// variables, no patterns, no pipes. Errors: kInvalidArgument (an open quote, no words).
Result<std::vector<std::string>> SplitCommand(std::string_view command);

struct ProgramResult {
  int exit_status = 0;  // 128 + n when signal n ended it
  std::string output;
  std::string errors;  // the beginning of what it wrote to stderr
};
// Runs a program without a shell, with no input and with `variables` ("NAME=VALUE") added to the environment. It and its children
// are killed when `timeout` or the context's deadline passes. Errors: kNotFound (no such program), kDeadlineExceeded, kCancelled,
// kTooLarge (more than 1 MiB of output), kIoError.
Result<ProgramResult> RunProgram(const std::vector<std::string>& words, std::chrono::milliseconds timeout, const OpContext& ctx,
                                 const std::vector<std::string>& variables = {});

// kUnauthenticated: `who` ended with a status other than 0, and what it said (its stderr), if anything.
Status ProgramFailed(const std::string& who, int exit_status, std::string_view said);

// Errors: kUnauthenticated, kInvalidArgument.
Result<AwsCredentials> CredentialsFromProcess(const std::string& command, std::chrono::milliseconds timeout,
                                              const OpContext& ctx);

}  // namespace lancefs
