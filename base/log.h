// SPDX-License-Identifier: Apache-2.0
//
// Logging: one logfmt line per event (time level event key=value ...). Values are quoted when they
// need it. Secrets never reach this layer: callers pass what may be shown.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace lancefs {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

using LogField = std::pair<std::string_view, std::string>;

// Where lines go: stderr (the default), a file, or syslog.
Status OpenLogFile(const std::string& path);
void LogToSyslog();
void SetLogLevel(LogLevel level);
// `level` is one of debug, info, warn, error.
Status SetLogLevel(std::string_view level);
// Whether lines of that level go anywhere: for those that cost something to make.
bool LogEnabled(LogLevel level);

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

}  // namespace lancefs
