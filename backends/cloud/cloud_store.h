// SPDX-License-Identifier: Apache-2.0
//
// CloudStore: what the stores over HTTP share: ranged reads into shared buffers, checked against what the server says it sent,
// whole reads, tails, lookups, conditional creation with an account of lost answers, and listings page by page.
//
// Thread safety: as ObjectStore.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backends/cloud/cloud_client.h"
#include "backends/object_store.h"

namespace lancefs {

struct ListPage {
  std::vector<ObjectMeta> objects;
  std::vector<std::string> directories;
  bool truncated = false;
  std::string continuation;  // where the next page begins, for the store's own use
};

// Sets the size from the text that a listing gives for it. Errors: kCorruption.
Status SetListedSize(std::string_view text, ObjectMeta* meta);

class CloudStore : public ObjectStore {
 public:
  CloudStore(std::shared_ptr<CloudClient> client, StoreTraits traits);

  const StoreTraits& traits() const override { return traits_; }
  std::string name() const override { return name_; }
  Future<std::vector<Bytes>> ReadRangesAsync(const std::string& path, std::vector<ByteRange> ranges,
                                             const OpContext& ctx) override;
  Result<Bytes> ReadAll(const std::string& path, const OpContext& ctx) override;
  Result<ObjectTail> ReadTail(const std::string& path, uint64_t max_bytes, const OpContext& ctx) override;
  Result<std::optional<ObjectMeta>> Head(const std::string& path, const OpContext& ctx) override;
  Result<ListResult> List(const ListRequest& request, const OpContext& ctx) override;
  Status Put(const std::string& path, Bytes bytes, const OpContext& ctx) override;
  Result<PutOutcome> PutIfAbsent(const std::string& path, Bytes bytes, const OpContext& ctx) override;
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& path, const OpContext& ctx) override;
  Status Delete(const std::string& path, const OpContext& ctx) override;

 protected:
  // A PUT of a whole object; default: with NewObjectHeaders().
  virtual CloudRequest PutRequest(const std::string& path, Bytes bytes) const;
  // Makes a PUT succeed only where no object is; default: If-None-Match, with 409 for "try again".
  virtual void MakeConditional(CloudRequest* request) const {
    request->headers.emplace_back("if-none-match", "*");
    request->retry_conflict = true;
  }
  // Whether a refusal of such a PUT says that there is an object.
  virtual bool SaysExists(const HttpResponse& response) const { return response.status == 412 || response.status == 409; }
  // Before a conditional PUT; an error refuses it.
  virtual Status BeforeCreate(const std::string&, const OpContext&) { return Status::OK(); }
  virtual bool has_suffix_ranges() const { return true; }  // "bytes=-N"
  // Whether a 404 means that the whole bucket is missing.
  virtual bool IsMissingBucket(const CloudError& error) const { return error.code == "NoSuchBucket"; }
  virtual Result<ListPage> GetPage(const ListRequest& request, const std::string& continuation, const OpContext& ctx) = 0;
  virtual std::unique_ptr<ObjectWriter> MakeWriter(const std::string& path) = 0;

  const std::shared_ptr<CloudClient> client_;

 private:
  Result<ObjectTail> EmptyTail(const std::string& path, const OpContext& ctx);
  Result<ObjectTail> ReadTailBySize(const std::string& path, uint64_t max_bytes, const OpContext& ctx);

  const StoreTraits traits_;
  const std::string name_;
};

}  // namespace lancefs
