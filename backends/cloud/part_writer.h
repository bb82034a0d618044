// SPDX-License-Identifier: Apache-2.0
//
// Streaming uploads in parts: what fits into one part is a single PUT; else parts are sent while the writer still takes bytes,
// with bounded memory, and put together at the end. What differs between stores is a PartProtocol.
//
// Thread safety: the writer as ObjectWriter; a protocol's const functions from any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/cloud/cloud_client.h"
#include "backends/object_store.h"

namespace lancefs {

struct UploadedPart {
  std::string id;        // its ETag or block id
  std::string checksum;  // what the completing document must repeat of it, in the store's own form
};

// 8 MiB, and as much more every 75 parts, so that 10,000 of them reach 5 TiB.
uint64_t GrowingPartSize(size_t index);

// How one object is uploaded. May outlive its writer: parts may still be on their way when that is gone.
class PartProtocol {
 public:
  virtual ~PartProtocol() = default;
  virtual uint64_t PartSize(size_t index) const { return GrowingPartSize(index); }  // of part `index` (from 0), in bytes
  virtual size_t max_parts() const { return 10000; }
  // The PUT of everything at once.
  virtual CloudRequest WholeRequest(std::vector<Bytes> body) const = 0;
  // Begins an upload in parts; what it learns (an upload id) is constant afterwards.
  virtual Status Start(const OpContext& ctx) = 0;
  // Part `number` (from 1). Runs in the CPU pool: hashing is welcome here.
  virtual CloudRequest PartRequest(size_t number, std::vector<Bytes> body) const = 0;
  // Of a part whose answer was a success; `headers` are those of its request.
  virtual Result<UploadedPart> ResultOf(size_t number, const HttpHeaders& headers, const HttpResponse& response) const = 0;
  virtual Status Complete(const std::vector<UploadedPart>& parts, uint64_t size, const OpContext& ctx) = 0;
  // Drops an upload that was started.
  virtual void Cancel(const OpContext& ctx) = 0;
};

std::unique_ptr<ObjectWriter> MakePartWriter(std::shared_ptr<CloudClient> client, std::string path,
                                             std::shared_ptr<PartProtocol> protocol);

}  // namespace lancefs
