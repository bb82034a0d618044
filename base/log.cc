// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <mutex>
#include <optional>

namespace lancefs {
namespace {

constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                                 spdlog::level::err};
constexpr const char* kPattern = "time=%Y-%m-%dT%H:%M:%S.%eZ level=%l %v";

std::mutex g_mutex;
std::shared_ptr<spdlog::logger> g_logger;  // guarded by g_mutex

std::optional<LogLevel> LevelFromName(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warn") return LogLevel::kWarn;
  if (name == "error") return LogLevel::kError;
  return std::nullopt;
}

spdlog::sink_ptr FirstSink() {
  const char* file = std::getenv("LANCEFS_LOG_FILE");
  if (file != nullptr && *file != '\0') {
    try {
      return std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
    } catch (const spdlog::spdlog_ex&) {
      // Whoever opens it by name says why it cannot be.
    }
  }
  return std::make_shared<spdlog::sinks::stderr_sink_mt>();
}

// Before anybody says otherwise: warnings to stderr, or what LANCEFS_LOG_FILE and LANCEFS_LOG_LEVEL name.
std::shared_ptr<spdlog::logger> Logger() {
  std::lock_guard lock(g_mutex);
  if (!g_logger) {
    const char* level = std::getenv("LANCEFS_LOG_LEVEL");
    g_logger = std::make_shared<spdlog::logger>("lancefs", FirstSink());
    g_logger->set_pattern(kPattern, spdlog::pattern_time_type::utc);
    g_logger->set_level(kLevels[static_cast<int>(LevelFromName(level == nullptr ? "" : level).value_or(LogLevel::kWarn))]);
    g_logger->flush_on(spdlog::level::info);
  }
  return g_logger;
}

void Replace(spdlog::sink_ptr sink, const char* pattern) {
  auto fresh = std::make_shared<spdlog::logger>("lancefs", std::move(sink));
  fresh->set_pattern(pattern, spdlog::pattern_time_type::utc);
  fresh->set_level(Logger()->level());
  fresh->flush_on(spdlog::level::info);
  std::lock_guard lock(g_mutex);
  g_logger = std::move(fresh);
}

void AppendValue(std::string* line, std::string_view value) {
  const bool quote = value.empty() || value.find_first_of(" \"=\n\r\t\\") != std::string_view::npos;
  if (!quote) {
    line->append(value);
    return;
  }
  line->push_back('"');
  for (const char c : value) {
    if (c == '"' || c == '\\') line->push_back('\\');
    if (c == '\n') {
      line->append("\\n");
    } else {
      line->push_back(c);
    }
  }
  line->push_back('"');
}

}  // namespace

Status OpenLogFile(const std::string& path) {
  try {
    Replace(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path), kPattern);
  } catch (const spdlog::spdlog_ex& error) {
    return Status::IoError("cannot open the log file " + path + ": " + error.what());
  }
  return Status::OK();
}

void LogToSyslog() {
  Replace(std::make_shared<spdlog::sinks::syslog_sink_mt>("lancefs", LOG_PID, LOG_DAEMON, false), "level=%l %v");
}

void SetLogLevel(LogLevel level) { Logger()->set_level(kLevels[static_cast<int>(level)]); }

Status SetLogLevel(std::string_view level) {
  const std::optional<LogLevel> known = LevelFromName(level);
  if (!known) return Status::InvalidArgument("unknown log level '" + std::string(level) + "'; use debug, info, warn or error");
  SetLogLevel(*known);
  return Status::OK();
}

bool LogEnabled(LogLevel level) { return Logger()->should_log(kLevels[static_cast<int>(level)]); }

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  const auto logger = Logger();
  if (!logger->should_log(kLevels[static_cast<int>(level)])) return;
  std::string line = "event=";
  AppendValue(&line, event);
  for (const auto& [key, value] : fields) {
    line.append(" ").append(key).append("=");
    AppendValue(&line, value);
  }
  logger->log(kLevels[static_cast<int>(level)], "{}", line);
}

}  // namespace lancefs
