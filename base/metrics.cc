// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.h"

namespace lancefs {

Metrics::Counter& Metrics::counter(std::string_view name) {
  std::lock_guard lock(mutex_);
  auto it = counters_.find(name);
  if (it == counters_.end()) it = counters_.try_emplace(std::string(name), 0).first;
  return it->second;
}

std::map<std::string, uint64_t> Metrics::Snapshot() const {
  std::lock_guard lock(mutex_);
  std::map<std::string, uint64_t> values;
  for (const auto& [name, counter] : counters_) values[name] = counter.load();
  return values;
}

std::string Metrics::ToPrometheusText() const {
  std::string text;
  for (const auto& [name, value] : Snapshot()) {
    text += "# TYPE " + name + " counter\n" + name + " " + std::to_string(value) + "\n";
  }
  return text;
}

Metrics& Metrics::Global() {
  static Metrics* metrics = new Metrics;
  return *metrics;
}

}  // namespace lancefs
