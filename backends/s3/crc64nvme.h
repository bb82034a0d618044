// SPDX-License-Identifier: Apache-2.0
//
// CRC-64/NVME, one of the checksums that S3 verifies on upload.
//
// Thread safety: pure function.
#pragma once

#include <cstdint>
#include <span>

namespace lancefs {

// `crc` is the value of the bytes before (0 at the start).
uint64_t Crc64Nvme(std::span<const uint8_t> bytes, uint64_t crc = 0);

}  // namespace lancefs
