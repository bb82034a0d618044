#pragma once
#include <string>
#include <vector>
#include "base/status.h"
namespace lancefs {
Result<std::vector<uint64_t>> DecodeRowIds(const std::string& bytes, uint64_t expected);
std::string EncodeRowIdRange(uint64_t start, uint64_t end);
std::string EncodeVersionRun(uint64_t rows, uint64_t version);
}
