// SPDX-License-Identifier: Apache-2.0
#include "engine/format/write/container_writer.h"

#include "engine/format/proto/encodings20.pb.h"

namespace lancefs {
namespace {

constexpr uint64_t kAlignment = 64;
constexpr char kPaddingByte = 72;
constexpr char kPageUrl20[] = "/lance.encodings.ArrayEncoding";
constexpr char kPageUrl21[] = "/lance.encodings21.PageLayout";
constexpr char kPageUrl23[] = "/lance.encodings23.PlanarLayout";
constexpr char kColumnUrl[] = "/lance.encodings.ColumnEncoding";

template <typename T>
void AppendInt(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

// A direct encoding: google.protobuf.Any{type_url = 1, value = 2}, written by hand because Any's own
// class would check the url.
void SetEncoding(pb::Encoding* encoding, std::string_view url, std::string_view value) {
  std::string any;
  const auto append_field = [&any](char tag, std::string_view bytes) {
    any.push_back(tag);
    size_t length = bytes.size();
    while (length >= 0x80) {
      any.push_back(static_cast<char>(length | 0x80));
      length >>= 7;
    }
    any.push_back(static_cast<char>(length));
    any.append(bytes);
  };
  append_field(0x0A, url);
  append_field(0x12, value);
  encoding->mutable_direct()->set_encoding(std::move(any));
}

const char* PageUrl(FileVersion version) {
  switch (version) {
    case FileVersion::kV2_0: return kPageUrl20;
    case FileVersion::kV2_3: return kPageUrl23;
    default: return kPageUrl21;
  }
}

}  // namespace

ContainerWriter::ContainerWriter(std::unique_ptr<ObjectWriter> sink, FileVersion version, size_t num_columns)
    : sink_(std::move(sink)), version_(version), columns_(num_columns) {
  pb::v20::ColumnEncoding plain;
  plain.mutable_values();
  for (pb::ColumnMetadata& column : columns_) SetEncoding(column.mutable_encoding(), kColumnUrl, plain.SerializeAsString());
}

void ContainerWriter::SetBlobColumn(size_t column) {
  pb::v20::ColumnEncoding blob;
  blob.mutable_blob()->mutable_inner()->mutable_values();
  SetEncoding(columns_[column].mutable_encoding(), kColumnUrl, blob.SerializeAsString());
}

Status ContainerWriter::Append(Bytes bytes, const OpContext& ctx) {
  if (bytes.empty()) return Status::OK();
  position_ += bytes.size();
  return sink_->Write(std::move(bytes), ctx);
}

Status ContainerWriter::Pad(const OpContext& ctx) {
  static const Bytes* const kPadding = new Bytes(Bytes::FromString(std::string(kAlignment, kPaddingByte)));
  const uint64_t rest = position_ % kAlignment;
  return rest == 0 ? Status::OK() : Append(kPadding->Slice(0, kAlignment - rest), ctx);
}

Result<uint64_t> ContainerWriter::WriteBuffer(Bytes bytes, const OpContext& ctx) {
  LANCEFS_RETURN_NOT_OK(Pad(ctx));
  const uint64_t offset = position_;
  LANCEFS_RETURN_NOT_OK(Append(std::move(bytes), ctx));
  return offset;
}

Status ContainerWriter::WritePage(size_t column, EncodedPage page, const OpContext& ctx) {
  pb::ColumnMetadata& metadata = columns_[column];
  if (page.joins && metadata.pages_size() != 0) {
    metadata.mutable_pages(0)->set_length(metadata.pages(0).length() + page.length);
    return Status::OK();
  }
  pb::ColumnMetadata::Page* message = metadata.add_pages();
  for (Bytes& buffer : page.buffers) {
    const uint64_t size = buffer.size();
    LANCEFS_ASSIGN_OR_RETURN(const uint64_t offset, WriteBuffer(std::move(buffer), ctx));
    message->add_buffer_offsets(offset);
    message->add_buffer_sizes(size);
  }
  message->set_length(page.length);
  message->set_priority(page.priority);
  SetEncoding(message->mutable_encoding(), PageUrl(version_), page.encoding);
  return Status::OK();
}

Result<uint64_t> ContainerWriter::Finish(const pb::FileDescriptor& descriptor, const OpContext& ctx) {
  std::string bytes = descriptor.SerializeAsString();
  const uint64_t descriptor_size = bytes.size();
  LANCEFS_ASSIGN_OR_RETURN(const uint64_t descriptor_offset, WriteBuffer(Bytes::FromString(std::move(bytes)), ctx));
  std::string tail;
  std::string offsets;
  const uint64_t base = position_;
  for (const pb::ColumnMetadata& column : columns_) {
    const size_t start = tail.size();
    if (!column.AppendToString(&tail)) return Status::Internal("cannot serialize the metadata of a column");
    AppendInt<uint64_t>(&offsets, base + start);
    AppendInt<uint64_t>(&offsets, tail.size() - start);
  }
  const uint64_t column_offsets = base + tail.size();
  tail += offsets;
  const uint64_t global_offsets = base + tail.size();
  AppendInt<uint64_t>(&tail, descriptor_offset);
  AppendInt<uint64_t>(&tail, descriptor_size);
  AppendInt<uint64_t>(&tail, base);
  AppendInt<uint64_t>(&tail, column_offsets);
  AppendInt<uint64_t>(&tail, global_offsets);
  AppendInt<uint32_t>(&tail, 1);
  AppendInt<uint32_t>(&tail, static_cast<uint32_t>(columns_.size()));
  const VersionPair footer = FooterNumbers(version_);
  AppendInt<uint16_t>(&tail, footer.major);
  AppendInt<uint16_t>(&tail, footer.minor);
  tail += "LANC";
  LANCEFS_RETURN_NOT_OK(Append(Bytes::FromString(std::move(tail)), ctx));
  LANCEFS_RETURN_NOT_OK(sink_->Finish(ctx));
  return position_;
}

}  // namespace lancefs
