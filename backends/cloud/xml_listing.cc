// SPDX-License-Identifier: Apache-2.0
#include "backends/cloud/xml_listing.h"

#include <algorithm>

#include "backends/xml.h"
#include "base/dates.h"

namespace lancefs {
namespace {

Result<ObjectMeta> ParseContents(const XmlElement& contents) {
  ObjectMeta meta;
  meta.path = contents.Text("Key");
  if (meta.path.empty()) return Status::Corruption("a listed object has no key");
  LANCEFS_RETURN_NOT_OK(SetListedSize(contents.Text("Size"), &meta));
  meta.etag = contents.Text("ETag");
  meta.last_modified_ns = ParseIsoDate(contents.Text("LastModified")).value_or(0);
  return meta;
}

}  // namespace

Result<ListPage> ParseListBucketResult(std::string_view xml) {
  LANCEFS_ASSIGN_OR_RETURN(const XmlElement root, ParseXml(xml));
  if (root.name != "ListBucketResult") return Status::Corruption("a listing starts with <" + root.name + ">");
  ListPage page;
  page.objects.reserve(root.children.size());
  for (const XmlElement& child : root.children) {
    if (child.name == "Contents") {
      LANCEFS_ASSIGN_OR_RETURN(ObjectMeta meta, ParseContents(child));
      // "dir/" is a marker that some tools write for a directory, not an object of ours.
      if (!meta.path.ends_with('/')) page.objects.push_back(std::move(meta));
    } else if (child.name == "CommonPrefixes") {
      page.directories.emplace_back(child.Text("Prefix"));
    } else if (child.name == "IsTruncated") {
      page.truncated = child.text == "true";
    } else if (child.name == "NextContinuationToken") {
      page.continuation = child.text;
    }
  }
  if (page.truncated && page.continuation.empty()) return Status::Corruption("a listing goes on, but says not where");
  return page;
}

Result<ListPage> GetListBucketPage(CloudClient* client, const ListRequest& request, const std::string& continuation,
                                   const OpContext& ctx) {
  constexpr size_t kMaxPage = 1000;
  CloudRequest http;
  http.kind = RequestKind::kList;
  http.query = {{"list-type", "2"}};
  if (!request.prefix.empty()) http.query.emplace_back("prefix", request.prefix);
  if (!request.recursive) http.query.emplace_back("delimiter", "/");
  if (!request.start_after.empty()) http.query.emplace_back("start-after", request.start_after);
  if (!continuation.empty()) http.query.emplace_back("continuation-token", continuation);
  if (request.max_keys != 0) http.query.emplace_back("max-keys", std::to_string(std::min(request.max_keys, kMaxPage)));
  LANCEFS_ASSIGN_OR_RETURN(const CloudResponse response, client->ExecuteAndWait(std::move(http), ctx));
  if (!response.http.ok()) return client->ErrorFrom(response, "list", request.prefix);
  Result<ListPage> page = ParseListBucketResult(response.http.body.view());
  if (!page.ok()) return page.status().WithContext("list " + client->Name(request.prefix));
  return page;
}

}  // namespace lancefs
