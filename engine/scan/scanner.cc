// SPDX-License-Identifier: Apache-2.0
//
// A scan walks the fragments in manifest order and cuts each into pieces. A piece is a job: read its columns for its rows and
// build the output. With a filter a piece passes two stages: the first reads the filter's columns, evaluates them and, where
// few rows survive, the remaining columns as well; where many do, the second stage reads those in pieces of their own. So the
// first stage can be large, and a sparse filter asks a store few and large questions, while memory stays bounded.
//
// Pieces start small (the first rows should not wait for others, and `head` should not pay for them) and grow; likewise jobs
// run ahead of the consumer in a window that starts at one job and doubles with every one taken, up to kMaxWindow. Results
// are delivered in order, in slices of at most max_batch_rows. A piece whose values turn out too large for an array is done again
// in halves. Where results are cut depends on the data and on the kind of
// store, never on timing. Fragments are opened ahead in the same way, so that many small fragments do not cost a round trip each.
#include "engine/scan/scanner.h"

#include <arrow/array/concatenate.h>
#include <arrow/compute/api.h>
#include <arrow/compute/initialize.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <deque>
#include <set>

#include "base/executor.h"
#include "base/memory_budget.h"
#include "engine/arrow_status.h"
#include "engine/format/blob_descriptor.h"
#include "engine/rows/json_columns.h"
#include "engine/scan/blob.h"
#include "engine/scan/fragment_reader.h"

namespace lancefs {
namespace {

constexpr size_t kMaxWindow = 4;           // jobs in flight, of each stage
constexpr size_t kMaxFragmentsAhead = 16;  // fragments being opened
constexpr size_t kMaxTakenAhead = 64;      // when single rows are taken from each, so that few rounds reach all
constexpr uint64_t kMinBatchRows = 64;
constexpr uint64_t kMaxPieceRows = 1 << 20;
constexpr uint64_t kPieceGrowth = 4;
// Pieces that are read exactly, since the consumer may only want the first rows.
constexpr uint64_t kPiecesOfHead = 1;
// Of pages that are read whole, a fragment; scans of two fragments overlap.
uint64_t WindowBytes() { return MemoryBudget::Global().Share(6, 4 << 20, 160 << 20); }

using Arrays = std::vector<std::shared_ptr<arrow::Array>>;

bool IsSystemName(const std::string& name) {
  return std::any_of(std::begin(kSystemColumns), std::end(kSystemColumns),
                     [&](SystemColumn column) { return name == SystemColumnName(column); });
}

std::shared_ptr<arrow::Field> SystemField(SystemColumn column) { return arrow::field(SystemColumnName(column), arrow::uint64()); }

// What a scan reads and makes, worked out once.
struct Plan {
  std::shared_ptr<const Dataset> dataset;
  ScanOptions options;
  std::vector<SelectItem> items;          // of the output
  std::shared_ptr<arrow::Schema> schema;  // of the output
  // Of the columns with blobs these are the forms with descriptors.
  std::vector<Field> early;  // read first, for the filter
  std::vector<Field> blobs;  // for surviving rows: other columns with blobs, whose sizes decide how many rows make a batch
  std::vector<Field> late;   // for surviving rows, with the output
  std::vector<Field> all;    // early, blobs and late
  // Which of `all` have blobs whose bytes are wanted; of the others only which are null.
  std::vector<bool> filter_bytes;
  std::vector<bool> output_bytes;
  bool weighs_blobs = false;                // any of output_bytes
  std::vector<SystemColumn> filter_system;  // that the filter asks for
  std::vector<SystemColumn> output_system;  // that the output asks for

  bool filtered() const { return options.filter != nullptr; }
  // There is a first stage, to find rows or to weigh blobs.
  bool staged() const { return filtered() || weighs_blobs; }
};

std::shared_ptr<arrow::Field> OutputField(const SelectItem& item, const Schema& schema) {
  if (!item.path.empty()) {
    const Field* field = schema.Find(item.path[0]);
    bool nullable = false;
    for (size_t i = 0; field != nullptr; ++i) {
      nullable = nullable || field->nullable;
      if (i + 1 == item.path.size()) return ShownField(*field).ToArrow()->WithName(item.name)->WithNullable(nullable);
      const Field* next = nullptr;
      for (const Field& child : field->children) {
        if (child.name == item.path[i + 1]) next = &child;
      }
      field = next;
    }
  }
  return arrow::field(item.name, item.expression->type());
}

using Paths = std::set<std::vector<std::string>>;

std::vector<Field> FieldsFor(const Schema& schema, const Paths& paths) {
  std::vector<Field> fields;
  for (const Field& field : schema.fields) {
    std::vector<std::vector<std::string>> mine;
    // Those of one column stand together.
    for (auto path = paths.lower_bound({field.name}); path != paths.end() && (*path)[0] == field.name; ++path)
      mine.push_back(*path);
    if (!mine.empty()) fields.push_back(PruneField(field, mine));
  }
  return fields;
}

std::vector<SystemColumn> SystemColumnsOf(const Paths& paths, bool row_id, bool row_address) {
  std::vector<SystemColumn> columns;
  for (const SystemColumn column : kSystemColumns) {
    const bool asked = (row_id && column == SystemColumn::kRowId) || (row_address && column == SystemColumn::kRowAddress);
    if (asked || paths.contains({SystemColumnName(column)})) columns.push_back(column);
  }
  return columns;
}

Result<std::shared_ptr<const Plan>> MakePlan(std::shared_ptr<const Dataset> dataset, ScanOptions options) {
  auto plan = std::make_shared<Plan>();
  const Schema& schema = dataset->schema();
  Paths output_paths;
  if (options.select) {
    plan->items = *options.select;
  } else {
    for (const Field& field : schema.fields) plan->items.push_back({field.name, nullptr, {field.name}});
  }
  arrow::FieldVector fields;
  for (const SelectItem& item : plan->items) {
    if (item.path.size() == 1 && IsSystemName(item.path[0])) {
      fields.push_back(arrow::field(item.name, arrow::uint64()));
    } else {
      fields.push_back(OutputField(item, schema));
    }
    if (!item.path.empty()) {
      output_paths.insert(item.path);
    } else {
      output_paths.insert(item.expression->column_paths().begin(), item.expression->column_paths().end());
    }
  }
  if (options.with_row_id) fields.push_back(SystemField(SystemColumn::kRowId));
  if (options.with_row_address) fields.push_back(SystemField(SystemColumn::kRowAddress));
  std::set<std::string> names;
  for (const auto& field : fields) {
    if (!names.insert(field->name()).second)
      return Status::InvalidArgument("the column '" + field->name() + "' is selected twice");
  }
  const auto arrow_schema = dataset->arrow_schema();
  plan->schema = arrow::schema(std::move(fields), options.select ? nullptr : arrow_schema->metadata());
  plan->output_system = SystemColumnsOf(output_paths, options.with_row_id, options.with_row_address);

  Paths filter_paths;
  if (options.filter != nullptr) filter_paths = options.filter->column_paths();
  plan->filter_system = SystemColumnsOf(filter_paths, false, false);
  const bool has_blobs = std::any_of(schema.fields.begin(), schema.fields.end(), HasBlobs);
  // A column that both need is read once, early and with all the parts that either wants.
  Paths early_paths = filter_paths;
  Paths late_paths;
  for (const auto& path : output_paths) {
    const bool shared =
        std::any_of(filter_paths.begin(), filter_paths.end(), [&](const auto& other) { return other[0] == path[0]; });
    (shared ? early_paths : late_paths).insert(path);
  }
  plan->early = FieldsFor(schema, early_paths);
  for (Field& field : FieldsFor(schema, late_paths)) (HasBlobs(field) ? plan->blobs : plan->late).push_back(std::move(field));
  for (auto* fields : {&plan->early, &plan->blobs}) {
    if (has_blobs) std::transform(fields->begin(), fields->end(), fields->begin(), WithBlobDescriptors);
  }
  for (const auto* fields : {&plan->early, &plan->blobs, &plan->late})
    plan->all.insert(plan->all.end(), fields->begin(), fields->end());
  auto needs_bytes = [](const Field& field, const Paths& paths) {
    return HasBlobs(field) && std::any_of(paths.begin(), paths.end(), [&](const auto& path) { return path[0] == field.name; });
  };
  for (const Field& field : plan->all) {
    plan->filter_bytes.push_back(options.filter != nullptr && needs_bytes(field, options.filter->value_paths()));
    plan->output_bytes.push_back(needs_bytes(field, output_paths));
    plan->weighs_blobs |= plan->output_bytes.back();
  }
  plan->dataset = std::move(dataset);
  plan->options = std::move(options);
  return std::shared_ptr<const Plan>(std::move(plan));
}

// What expressions see; `arrays` have the bytes of blobs in them.
std::shared_ptr<arrow::RecordBatch> MakeInput(const std::vector<Field>& fields, const Arrays& arrays, int64_t rows) {
  arrow::FieldVector arrow_fields;
  for (const Field& field : fields) arrow_fields.push_back(WithBlobBytes(field).ToArrow());
  return arrow::RecordBatch::Make(arrow::schema(std::move(arrow_fields)), rows, arrays);
}

Result<std::shared_ptr<arrow::RecordBatch>> AddSystemColumns(const FragmentReader& reader, const RowSelection& rows,
                                                             const std::vector<SystemColumn>& columns,
                                                             std::shared_ptr<arrow::RecordBatch> batch, const OpContext& ctx) {
  for (const SystemColumn column : columns) {
    LANCEFS_ASSIGN_OR_RETURN(auto values, reader.ReadSystem(column, rows, ctx));
    LANCEFS_ARROW_ASSIGN(batch, batch->AddColumn(batch->num_columns(), SystemField(column), values));
  }
  return batch;
}

// The rows of `rows` whose bit in `mask` is set.
RowSelection KeepRows(const RowSelection& rows, const arrow::BooleanArray& mask) {
  RowSelection kept;
  int64_t position = 0;
  for (const RowRange& range : rows) {
    for (uint64_t row = range.start; row < range.end; ++row, ++position) {
      if (mask.Value(position)) AddRange(&kept, row, row + 1);
    }
  }
  return kept;
}

Result<std::shared_ptr<arrow::Array>> ExtractPath(const arrow::RecordBatch& batch, const std::vector<std::string>& path) {
  std::shared_ptr<arrow::Array> array = batch.GetColumnByName(path[0]);
  for (size_t i = 1; array != nullptr && i < path.size(); ++i) {
    const auto& structs = static_cast<const arrow::StructArray&>(*array);
    const int index = array->type_id() == arrow::Type::STRUCT ? structs.struct_type()->GetFieldIndex(path[i]) : -1;
    if (index < 0) return Status::Internal("column path " + path[0] + "." + path[i] + " was not read");
    LANCEFS_ARROW_ASSIGN(array, structs.GetFlattenedField(index));
  }
  if (array == nullptr) return Status::Internal("column " + path[0] + " was not read");
  return array;
}

// A fragment being read, its blobs, and what a piece of the first (or only) stage reads through.
struct Opened {
  std::shared_ptr<const FragmentReader> reader;
  std::shared_ptr<BlobFetcher> blobs;
  PieceWindow window;
  std::shared_ptr<const FragmentWindow> gather;  // what rows that a filter left are read through; null: nothing
};

// Rows of a fragment on their way to the output: which, and their early columns and those with blobs.
struct Piece {
  Opened source;
  RowSelection rows;
  int64_t count = 0;
  Arrays early;
  std::vector<uint64_t> blob_bytes;  // of every row; empty without blobs
};

// Puts the bytes of blobs, or empty values, into columns that have descriptors.
Status FetchBlobs(const std::vector<Field>& fields, const std::vector<bool>& with_bytes, BlobFetcher* blobs, Arrays* arrays,
                  const OpContext& ctx) {
  for (size_t i = 0; i < arrays->size(); ++i) {
    if (with_bytes[i]) {
      LANCEFS_ASSIGN_OR_RETURN((*arrays)[i], blobs->Fetch(fields[i], (*arrays)[i], ctx));
    } else {
      LANCEFS_ASSIGN_OR_RETURN((*arrays)[i], BlobFetcher::Presence(fields[i], (*arrays)[i]));
    }
  }
  return Status::OK();
}

// Too many bytes for one array, in a piece that can be halved.
bool MayHalve(const Status& status, const Piece& piece) { return status.Is(StatusCode::kTooLarge) && piece.count > 1; }

// The second stage: reads the late columns and the blobs and builds the output. REQUIRES: the piece has rows.
Result<std::shared_ptr<arrow::RecordBatch>> Finish(const Plan& plan, Piece piece, const OpContext& ctx) {
  LANCEFS_RETURN_NOT_OK(ctx.Check());
  const PieceWindow window = plan.staged() ? PieceWindow{piece.source.gather} : piece.source.window;
  LANCEFS_ASSIGN_OR_RETURN(Arrays late, piece.source.reader->Read(plan.late, piece.rows, ctx, window));
  Arrays arrays = std::move(piece.early);
  LANCEFS_RETURN_NOT_OK(FetchBlobs(plan.all, plan.output_bytes, piece.source.blobs.get(), &arrays, ctx));
  arrays.insert(arrays.end(), late.begin(), late.end());
  LANCEFS_ASSIGN_OR_RETURN(auto input, AddSystemColumns(*piece.source.reader, piece.rows, plan.output_system,
                                                        MakeInput(plan.all, arrays, piece.count), ctx));
  Arrays columns;
  for (const SelectItem& item : plan.items) {
    if (item.path.empty()) {
      LANCEFS_ASSIGN_OR_RETURN(auto column, item.expression->Evaluate(*input));
      columns.push_back(std::move(column));
    } else {
      LANCEFS_ASSIGN_OR_RETURN(auto column, ExtractPath(*input, item.path));
      const auto& type = plan.schema->field(static_cast<int>(columns.size()))->type();
      Result<std::shared_ptr<arrow::Array>> shown = JsonToText(column, type);
      if (!shown.ok()) return shown.status().WithContext("column '" + item.name + "'");
      column = std::move(*shown);
      columns.push_back(std::move(column));
    }
  }
  if (plan.options.with_row_id) columns.push_back(input->GetColumnByName(SystemColumnName(SystemColumn::kRowId)));
  if (plan.options.with_row_address) columns.push_back(input->GetColumnByName(SystemColumnName(SystemColumn::kRowAddress)));
  return arrow::RecordBatch::Make(plan.schema, piece.count, std::move(columns));
}

// What the first stage found: the surviving rows, and their output if they were few.
struct Found {
  uint64_t rows = 0;         // evaluated
  uint64_t early_bytes = 0;  // of their early columns
  Piece piece;
  std::shared_ptr<arrow::RecordBatch> batch;
};

Result<uint64_t> BytesOf(const arrow::RecordBatch& batch) {
  LANCEFS_ARROW_ASSIGN(const int64_t bytes, arrow::util::ReferencedBufferSize(batch));
  return static_cast<uint64_t>(bytes);
}

// Cuts the first `count` rows off `rows`.
RowSelection TakeFront(RowSelection* rows, uint64_t count) {
  RowSelection front;
  size_t used = 0;
  while (used < rows->size() && count > 0) {
    RowRange& range = (*rows)[used];
    const uint64_t length = std::min(count, range.length());
    front.push_back({range.start, range.start + length});
    range.start += length;
    count -= length;
    if (range.length() == 0) ++used;
  }
  rows->erase(rows->begin(), rows->begin() + static_cast<ptrdiff_t>(used));
  return front;
}

// How many of the rows from `first` on have blobs of no more than `bytes` together; at least one. Sets `*taken` to theirs.
uint64_t RowsWithin(const std::vector<uint64_t>& blob_bytes, uint64_t first, uint64_t count, uint64_t bytes, uint64_t* taken) {
  *taken = 0;
  if (blob_bytes.empty()) return count;
  uint64_t rows = 0;
  for (; rows < count; ++rows) {
    const uint64_t more = blob_bytes[first + rows];
    if (rows > 0 && (more > bytes || *taken > bytes - more)) break;
    *taken += more;
  }
  return rows;
}

Result<std::shared_ptr<arrow::BooleanArray>> EvaluateOn(const Plan& plan, const Piece& piece, const RowSelection& rows,
                                                        const Arrays& arrays, int64_t count, uint64_t* bytes,
                                                        const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(
      auto input, AddSystemColumns(*piece.source.reader, rows, plan.filter_system, MakeInput(plan.early, arrays, count), ctx));
  LANCEFS_ASSIGN_OR_RETURN(*bytes, BytesOf(*input));
  const KnownNulls* known = piece.source.reader->known_nulls();
  if (known == nullptr) return EvaluateFilter(*plan.options.filter, *input);
  std::vector<Field> fields;
  std::transform(plan.early.begin(), plan.early.end(), std::back_inserter(fields), WithBlobBytes);
  return EvaluateByBatches(*plan.options.filter, *known, fields, rows, *input);
}

// Adds to `blob_bytes` what the blobs of `arrays` weigh, whose fields are the first of plan.all.
Status WeighBlobs(const Plan& plan, const std::vector<bool>& which, const Piece& piece, std::vector<uint64_t>* blob_bytes,
                  const OpContext& ctx) {
  blob_bytes->assign(static_cast<size_t>(piece.count), 0);
  for (size_t i = 0; i < piece.early.size(); ++i) {
    if (which[i]) LANCEFS_RETURN_NOT_OK(piece.source.blobs->AddRowBytes(plan.all[i], *piece.early[i], blob_bytes, ctx));
  }
  return Status::OK();
}

// The filter over the early columns. Where it looks into blobs, their bytes come and go in slices.
Result<std::shared_ptr<arrow::BooleanArray>> FilterMask(const Plan& plan, const Piece& piece, uint64_t* bytes,
                                                        const OpContext& ctx) {
  if (std::none_of(plan.filter_bytes.begin(), plan.filter_bytes.end(), [](bool wanted) { return wanted; })) {
    Arrays arrays = piece.early;
    LANCEFS_RETURN_NOT_OK(FetchBlobs(plan.early, plan.filter_bytes, piece.source.blobs.get(), &arrays, ctx));
    return EvaluateOn(plan, piece, piece.rows, arrays, piece.count, bytes, ctx);
  }
  std::vector<uint64_t> blob_bytes;
  LANCEFS_RETURN_NOT_OK(WeighBlobs(plan, plan.filter_bytes, piece, &blob_bytes, ctx));
  RowSelection rows = piece.rows;
  arrow::ArrayVector masks;
  const auto count = static_cast<uint64_t>(piece.count);
  for (uint64_t start = 0; start < count;) {
    uint64_t taken = 0;
    const uint64_t length = RowsWithin(blob_bytes, start, count - start, plan.options.batch_bytes, &taken);
    Arrays slices;
    for (const auto& array : piece.early)
      slices.push_back(array->Slice(static_cast<int64_t>(start), static_cast<int64_t>(length)));
    LANCEFS_RETURN_NOT_OK(FetchBlobs(plan.early, plan.filter_bytes, piece.source.blobs.get(), &slices, ctx));
    uint64_t slice_bytes = 0;
    LANCEFS_ASSIGN_OR_RETURN(
        auto mask, EvaluateOn(plan, piece, TakeFront(&rows, length), slices, static_cast<int64_t>(length), &slice_bytes, ctx));
    masks.push_back(std::move(mask));
    *bytes += slice_bytes - std::min(slice_bytes, taken);
    start += length;
  }
  LANCEFS_ARROW_ASSIGN(auto all, arrow::Concatenate(masks));
  return std::static_pointer_cast<arrow::BooleanArray>(all);
}

// True where the fragment has none of the filter's columns, so that all its rows are alike (null) and one tells that none passes.
// A manifest may speak of billions of such rows.
bool NonePasses(const Plan& plan, const Opened& source, const RowSelection& rows, const OpContext& ctx) {
  if (plan.options.filter == nullptr || !plan.filter_system.empty() || plan.early.empty() || rows.empty()) return false;
  for (const Field& field : plan.early) {
    if (source.reader->HasAny(field)) return false;
  }
  Piece one;
  one.source = source;
  one.rows = {{rows.front().start, rows.front().start + 1}};
  one.count = 1;
  Result<Arrays> nulls = source.reader->Read(plan.early, one.rows, ctx);
  if (!nulls.ok()) return false;  // whatever is wrong shows when the rows are read
  one.early = std::move(*nulls);
  uint64_t bytes = 0;
  const auto mask = FilterMask(plan, one, &bytes, ctx);
  return mask.ok() && (*mask)->true_count() == 0;
}

// The first stage: `rows` of the fragment that pass the filter, and what their blobs weigh. Up to `finish_rows` of them are
// finished at once.
Result<Found> Evaluate(const Plan& plan, Opened source, RowSelection rows, uint64_t finish_rows, const OpContext& ctx) {
  LANCEFS_RETURN_NOT_OK(ctx.Check());
  Found found;
  Piece& piece = found.piece;
  piece.source = std::move(source);
  piece.count = static_cast<int64_t>(CountRows(rows));
  piece.rows = std::move(rows);
  found.rows = static_cast<uint64_t>(piece.count);
  if (plan.options.filter != nullptr) {
    LANCEFS_ASSIGN_OR_RETURN(piece.early, piece.source.reader->Read(plan.early, piece.rows, ctx, piece.source.window));
    LANCEFS_ASSIGN_OR_RETURN(const auto mask, FilterMask(plan, piece, &found.early_bytes, ctx));
    const int64_t kept = mask->true_count();
    if (kept == 0) {
      piece = Piece();
      return found;
    }
    if (kept < piece.count) {
      piece.rows = KeepRows(piece.rows, *mask);
      piece.count = kept;
      for (auto& array : piece.early) {
        LANCEFS_ARROW_ASSIGN(const arrow::Datum filtered, arrow::compute::Filter(array, mask));
        array = filtered.make_array();
      }
    }
  }
  uint64_t blob_bytes = 0;
  if (plan.weighs_blobs) {
    const PieceWindow window = plan.filtered() ? PieceWindow{piece.source.gather} : piece.source.window;
    LANCEFS_ASSIGN_OR_RETURN(const Arrays blobs, piece.source.reader->Read(plan.blobs, piece.rows, ctx, window));
    piece.early.insert(piece.early.end(), blobs.begin(), blobs.end());
    LANCEFS_RETURN_NOT_OK(WeighBlobs(plan, plan.output_bytes, piece, &piece.blob_bytes, ctx));
    RowsWithin(piece.blob_bytes, 0, static_cast<uint64_t>(piece.count), UINT64_MAX, &blob_bytes);
    if (plan.options.filter == nullptr) {
      LANCEFS_ASSIGN_OR_RETURN(found.early_bytes, BytesOf(*MakeInput(plan.blobs, blobs, piece.count)));
    }
  }
  if (static_cast<uint64_t>(piece.count) <= finish_rows && blob_bytes <= plan.options.batch_bytes) {
    Result<std::shared_ptr<arrow::RecordBatch>> batch = Finish(plan, piece, ctx);
    if (!batch.ok() && !MayHalve(batch.status(), piece)) return batch.status();
    if (!batch.ok()) return found;  // the second stage does it in parts
    found.batch = *batch;
    piece = Piece();
  }
  return found;
}

// Cuts the first half off a piece.
Piece CutHalf(Piece* piece) {
  Piece front;
  front.source = piece->source;
  front.count = piece->count / 2;
  front.rows = TakeFront(&piece->rows, static_cast<uint64_t>(front.count));
  for (auto& array : piece->early) {
    front.early.push_back(array->Slice(0, front.count));
    array = array->Slice(front.count);
  }
  piece->count -= front.count;
  return front;
}

// A job under way.
template <typename T>
struct Running {
  Future<T> result;
  double share = 0;  // of a full batch
  uint64_t blob_bytes = 0;
  Piece piece;  // what it does, if it may have to be done again in halves
};

template <typename T>
double ShareOf(const std::deque<Running<T>>& jobs) {
  double total = 0;
  for (const Running<T>& job : jobs) total += job.share;
  return total;
}

class ScanStream : public BatchStream {
 public:
  explicit ScanStream(std::shared_ptr<const Plan> plan) : plan_(std::move(plan)) {
    skip_ = plan_->options.offset;
    left_ = plan_->options.limit.value_or(UINT64_MAX);
  }
  ~ScanStream() override { cancel_.cancel.Cancel(); }

  Status Init();
  const std::shared_ptr<arrow::Schema>& schema() const override { return plan_->schema; }
  Result<std::shared_ptr<arrow::RecordBatch>> Next(const OpContext& ctx) override;

 private:
  // A fragment to read: which rows of it (live-row numbers), and its reader once opened.
  struct Source {
    size_t index = 0;
    uint64_t live_start = 0;  // live-row range of the fragment that is wanted
    uint64_t live_end = 0;
    std::vector<uint64_t> take;  // or: exactly these live-row numbers, ascending
    Future<std::shared_ptr<FragmentReader>> reader;
  };

  Status AddTakeSources(const std::vector<size_t>& indices);
  void OpenAhead();
  Result<RowSelection> RowsOf(const Source& source, const FragmentReader& reader) const;
  // Whether remaining_ has rows of current_; false at the end, and where a fragment would have to be waited for and `may_wait` is
  // false.
  Result<bool> HaveRows(bool may_wait, const OpContext& ctx);
  uint64_t RowsOfPiece(const std::vector<Field>& fields, uint64_t seen) const;
  void SawFirstPiece(uint64_t bytes, uint64_t rows);
  bool MayCut() const { return pieces_cut_ <= alone_ || pieces_done_ > alone_; }
  Piece CutPiece();
  void PieceDone(const Piece& piece);
  Status StartFilters(const OpContext& ctx);
  Running<Found> StartFilter(Piece piece) const;
  Running<std::shared_ptr<arrow::RecordBatch>> StartFinish(Piece piece, uint64_t blob_bytes);
  void HalveFilter();
  void HalveJob();
  bool FinishFound();
  Status StartJobs(const OpContext& ctx);
  bool filtered() const { return plan_->filtered(); }
  bool staged() const { return plan_->staged(); }
  const std::vector<Field>& FirstFields() const { return filtered() ? plan_->early : staged() ? plan_->blobs : plan_->all; }
  bool taking() const { return plan_->options.take.has_value(); }
  // Whether another job may start. Rows that are taken from many fragments make small jobs: as many run as make a batch.
  template <typename T>
  bool MayStart(const std::deque<Running<T>>& jobs) const {
    return jobs.size() < window_ || (taking() && jobs.size() < kMaxTakenAhead && ShareOf(jobs) < 1);
  }

  std::shared_ptr<const Plan> plan_;
  OpContext cancel_;            // of all jobs; cancelled with the stream
  std::deque<Source> sources_;  // front = the one being cut into pieces
  Opened current_;
  RowSelection remaining_;   // rows of the front source that are not yet in a job
  uint64_t piece_rows_ = 0;  // of the next piece of the first (or only) stage
  uint64_t max_piece_rows_ = 0;
  uint64_t output_rows_ = 0;     // of the second stage, whose output takes about batch_bytes
  uint64_t seen_row_bytes_ = 0;  // that the columns of the first (or only) stage took in the first piece; 0 = not known yet
  std::deque<Running<Found>> filters_;                             // first stage
  Piece found_;                                                    // survivors that are being cut into pieces of the second stage
  uint64_t found_offset_ = 0;                                      // rows of found_.early that are in jobs already
  std::deque<Running<std::shared_ptr<arrow::RecordBatch>>> jobs_;  // second, or only, stage
  uint64_t blob_bytes_ = 0;                                        // of the blobs in jobs_
  std::shared_ptr<arrow::RecordBatch> batch_;                      // being delivered
  uint64_t pieces_cut_ = 0;                                        // of the first (or only) stage
  uint64_t pieces_done_ = 0;
  uint64_t pieces_of_current_ = 0;  // that were cut
  uint64_t alone_ = UINT64_MAX;     // the piece that others wait for, as it begins in the middle of pages
  size_t window_ = 1;
  size_t ahead_ = 1;
  uint64_t skip_ = 0;  // output rows to drop (with a filter only)
  uint64_t left_ = 0;  // output rows still wanted
};

Status ScanStream::Init() {
  const ScanOptions& options = plan_->options;
  const std::vector<FragmentInfo>& fragments = plan_->dataset->fragments();
  std::vector<size_t> indices;
  if (options.fragments) {
    for (const uint64_t id : *options.fragments) {
      const auto it = std::find_if(fragments.begin(), fragments.end(), [&](const FragmentInfo& f) { return f.id == id; });
      if (it == fragments.end()) return Status::InvalidArgument("there is no fragment " + std::to_string(id));
      indices.push_back(static_cast<size_t>(it - fragments.begin()));
    }
    std::sort(indices.begin(), indices.end());
    indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
  } else {
    indices.resize(fragments.size());
    for (size_t i = 0; i < indices.size(); ++i) indices[i] = i;
  }
  if (options.take) {
    ahead_ = kMaxTakenAhead;
    return AddTakeSources(indices);
  }
  for (const size_t index : indices) {
    const uint64_t rows = fragments[index].rows();
    if (rows == 0) continue;
    Source source;
    source.index = index;
    source.live_end = rows;
    if (!filtered()) {
      // Without a filter the manifest already tells where offset and limit fall.
      const uint64_t skipped = std::min(skip_, rows);
      skip_ -= skipped;
      source.live_start = skipped;
      source.live_end = skipped + std::min(rows - skipped, left_);
      left_ -= source.live_end - source.live_start;
    }
    if (source.live_start < source.live_end) sources_.push_back(std::move(source));
  }
  if (!filtered()) left_ = UINT64_MAX;
  return Status::OK();
}

Status ScanStream::AddTakeSources(const std::vector<size_t>& indices) {
  std::vector<uint64_t> offsets = *plan_->options.take;
  std::sort(offsets.begin(), offsets.end());
  offsets.erase(std::unique(offsets.begin(), offsets.end()), offsets.end());
  // Offsets count the rows of all fragments, also where only some of them are wanted.
  const std::vector<FragmentInfo>& fragments = plan_->dataset->fragments();
  uint64_t first = 0;
  size_t position = 0;
  for (size_t index = 0; index < fragments.size(); ++index) {
    Source source;
    source.index = index;
    for (; position < offsets.size() && offsets[position] < first + fragments[index].rows(); ++position)
      source.take.push_back(offsets[position] - first);
    first += fragments[index].rows();
    const bool wanted = std::binary_search(indices.begin(), indices.end(), index);
    if (wanted && !source.take.empty()) sources_.push_back(std::move(source));
  }
  if (position < offsets.size()) {
    return Status::InvalidArgument("row offset " + std::to_string(offsets[position]) + " is out of range: there are " +
                                   std::to_string(first) + " rows");
  }
  return Status::OK();
}

void ScanStream::OpenAhead() {
  for (size_t i = 0; i < std::min(ahead_, sources_.size()); ++i) {
    Source& source = sources_[i];
    if (source.reader.valid()) continue;
    source.reader = Async<std::shared_ptr<FragmentReader>>(BlockingPool(), [plan = plan_, index = source.index, ctx = cancel_] {
      return FragmentReader::Open(plan->dataset, index, plan->all, ctx,
                                  plan->options.filter ? plan->early : std::vector<Field>());
    });
  }
}

// The physical rows that a source wants.
Result<RowSelection> ScanStream::RowsOf(const Source& source, const FragmentReader& reader) const {
  const DeletionVector* deletions = reader.deletions().get();
  const uint64_t live = reader.physical_rows() - (deletions == nullptr ? 0 : deletions->Count());
  auto physical = [&](uint64_t live_row) { return deletions == nullptr ? live_row : deletions->NthLive(live_row); };
  if (!source.take.empty()) return reader.PhysicalRows(source.take);
  if (source.live_end > live)
    return Status::Corruption("fragment " + std::to_string(reader.id()) + " has fewer rows than the manifest says");
  return reader.LiveRows(physical(source.live_start), physical(source.live_end - 1) + 1);
}

Result<bool> ScanStream::HaveRows(bool may_wait, const OpContext& ctx) {
  while (remaining_.empty()) {
    if (current_.reader != nullptr) {
      current_ = Opened();
      sources_.pop_front();
    }
    if (sources_.empty()) return false;
    OpenAhead();
    if (!may_wait && !sources_.front().reader.done()) return false;
    LANCEFS_ASSIGN_OR_RETURN(current_.reader, sources_.front().reader.Get(ctx));
    pieces_of_current_ = 0;
    current_.blobs = std::make_shared<BlobFetcher>(plan_->dataset, current_.reader);
    LANCEFS_ASSIGN_OR_RETURN(remaining_, RowsOf(sources_.front(), *current_.reader));
    if (NonePasses(*plan_, current_, remaining_, ctx)) remaining_.clear();
    output_rows_ = RowsOfPiece(plan_->all, 0);
    max_piece_rows_ = RowsOfPiece(FirstFields(), seen_row_bytes_);
    piece_rows_ = piece_rows_ == 0 ? max_piece_rows_ : std::min(piece_rows_, max_piece_rows_);
  }
  return true;
}

// Rows of current_ of which those fields take about batch_bytes. Pieces larger than a batch save requests; on a local disk
// they would only take memory that is cold. What values of no fixed width take is only guessed, so until
// some were `seen` (bytes a row) a piece is no larger than a batch.
uint64_t ScanStream::RowsOfPiece(const std::vector<Field>& fields, uint64_t seen) const {
  const ScanOptions& options = plan_->options;
  // Nobody waits for the first rows, and what fixed widths take is no guess.
  const bool known =
      options.reads_all && std::all_of(fields.begin(), fields.end(), [](const Field& f) { return FixedValueBytes(*f.type) > 0; });
  const uint64_t most =
      (seen == 0 && !known) || plan_->dataset->store()->traits().is_local ? options.max_batch_rows : kMaxPieceRows;
  // What is guessed to be large is still read by the dozen; what is known to be is not.
  uint64_t fixed = 1;
  for (const Field& field : fields) fixed = std::max(fixed, FixedValueBytes(*field.type));
  const uint64_t least = std::clamp<uint64_t>(4 * options.batch_bytes / fixed, 1, kMinBatchRows);
  return std::max(least, std::min(most, options.batch_bytes / std::max(seen, current_.reader->EstimateRowBytes(fields))));
}

// The first piece is done before the second is cut, so this does not depend on timing.
void ScanStream::SawFirstPiece(uint64_t bytes, uint64_t rows) {
  if (seen_row_bytes_ != 0 || rows == 0) return;
  seen_row_bytes_ = std::max<uint64_t>(1, bytes / rows);
  if (current_.reader == nullptr) return;  // all is cut already
  max_piece_rows_ = RowsOfPiece(FirstFields(), seen_row_bytes_);
  piece_rows_ = std::min(piece_rows_ * kPieceGrowth, max_piece_rows_);
}

Piece ScanStream::CutPiece() {
  const bool remote = !plan_->dataset->store()->traits().is_local;
  // Whoever came so far goes on, so pages are worth reading at once.
  const bool goes_on = plan_->options.reads_all || pieces_done_ >= kPiecesOfHead;
  if (goes_on && remote && !taking() && current_.window.window == nullptr) {
    current_.window.window = current_.reader->MakeWindow(FirstFields(), remaining_, WindowBytes());
    if (pieces_of_current_ > 0) alone_ = pieces_cut_;
  }
  if (filtered() && remote && !taking() && current_.gather == nullptr)
    current_.gather = current_.reader->MakeGather(plan_->late, WindowBytes() / kMaxWindow);
  ++pieces_of_current_;
  Piece piece;
  piece.source = current_;
  piece.source.window.piece = pieces_cut_++;
  piece.rows = TakeFront(&remaining_, piece_rows_);
  piece.count = static_cast<int64_t>(CountRows(piece.rows));
  piece_rows_ = std::min(piece_rows_ * kPieceGrowth, max_piece_rows_);
  return piece;
}

// A piece of the first (or only) stage has read what it wants.
void ScanStream::PieceDone(const Piece& piece) {
  ++pieces_done_;
  const PieceWindow& window = piece.source.window;
  if (window.window != nullptr) window.window->Done(window.piece);
}

Status ScanStream::StartFilters(const OpContext& ctx) {
  while (MayStart(filters_) && MayCut()) {
    // Fragments to take from are all being opened: to wait for the next one is to wait for all.
    LANCEFS_ASSIGN_OR_RETURN(const bool have,
                             HaveRows(taking() || (filters_.empty() && jobs_.empty() && found_.rows.empty()), ctx));
    if (!have) return Status::OK();
    filters_.push_back(StartFilter(CutPiece()));
  }
  return Status::OK();
}

Running<Found> ScanStream::StartFilter(Piece piece) const {
  const double share = static_cast<double>(piece.count) / static_cast<double>(max_piece_rows_);
  auto work = [plan = plan_, source = piece.source, rows = piece.rows, finish_rows = output_rows_, ctx = cancel_]() mutable {
    return Evaluate(*plan, std::move(source), std::move(rows), finish_rows, ctx);
  };
  return {Async<Found>(BlockingPool(), std::move(work)), share, 0, std::move(piece)};
}

Running<std::shared_ptr<arrow::RecordBatch>> ScanStream::StartFinish(Piece piece, uint64_t blob_bytes) {
  blob_bytes_ += blob_bytes;
  const double share = static_cast<double>(piece.count) / static_cast<double>(output_rows_);
  auto work = [plan = plan_, piece, ctx = cancel_]() mutable { return Finish(*plan, std::move(piece), ctx); };
  return {Async<std::shared_ptr<arrow::RecordBatch>>(BlockingPool(), std::move(work)), share, blob_bytes, std::move(piece)};
}

// The front job's values were too large for an array: its piece is done again in halves, and those to come are as small.
void ScanStream::HalveFilter() {
  Piece rest = std::move(filters_.front().piece);
  filters_.pop_front();
  Piece front = CutHalf(&rest);
  max_piece_rows_ = piece_rows_ = std::min(piece_rows_, static_cast<uint64_t>(front.count));
  filters_.push_front(StartFilter(std::move(rest)));
  filters_.push_front(StartFilter(std::move(front)));
}
void ScanStream::HalveJob() {
  Piece rest = std::move(jobs_.front().piece);
  const uint64_t blob_bytes = jobs_.front().blob_bytes;
  blob_bytes_ -= blob_bytes;
  jobs_.pop_front();
  Piece front = CutHalf(&rest);
  const auto rows = static_cast<uint64_t>(front.count);
  output_rows_ = std::min(output_rows_, rows);
  if (!staged()) max_piece_rows_ = piece_rows_ = std::min(piece_rows_, rows);
  jobs_.push_front(StartFinish(std::move(rest), blob_bytes));
  jobs_.push_front(StartFinish(std::move(front), 0));
}

// One more piece of found_ goes into the second stage. False: its blobs have to wait until those in flight are delivered.
bool ScanStream::FinishFound() {
  const uint64_t batch = plan_->options.batch_bytes;
  uint64_t blob_bytes = 0;
  const uint64_t count =
      RowsWithin(found_.blob_bytes, found_offset_, std::min(output_rows_, CountRows(found_.rows)), batch, &blob_bytes);
  if (!jobs_.empty() && blob_bytes > 0 && (blob_bytes > batch || blob_bytes_ > kMaxWindow * batch)) return false;
  Piece piece;
  piece.source = found_.source;
  piece.rows = TakeFront(&found_.rows, count);
  piece.count = static_cast<int64_t>(count);
  for (const auto& array : found_.early) piece.early.push_back(array->Slice(static_cast<int64_t>(found_offset_), piece.count));
  found_offset_ += count;
  if (found_.rows.empty()) found_ = Piece();
  jobs_.push_back(StartFinish(std::move(piece), blob_bytes));
  return true;
}

Status ScanStream::StartJobs(const OpContext& ctx) {
  if (staged()) LANCEFS_RETURN_NOT_OK(StartFilters(ctx));
  while (MayStart(jobs_)) {
    if (!found_.rows.empty()) {
      if (!FinishFound()) return Status::OK();
      continue;
    }
    if (staged()) {
      // Only wait for the first stage when nothing else can be handed out.
      if (filters_.empty() || (!jobs_.empty() && !filters_.front().result.done())) return Status::OK();
      Result<Found> evaluated = filters_.front().result.Get(ctx);
      if (!evaluated.ok() && MayHalve(evaluated.status(), filters_.front().piece)) {
        HalveFilter();
        continue;
      }
      LANCEFS_ASSIGN_OR_RETURN(Found found, std::move(evaluated));
      PieceDone(filters_.front().piece);
      filters_.pop_front();
      window_ = std::min(window_ * 2, kMaxWindow);
      ahead_ = std::max(ahead_, std::min(ahead_ * 2, kMaxFragmentsAhead));
      SawFirstPiece(found.early_bytes, found.rows);
      found_ = std::move(found.piece);
      found_offset_ = 0;
      if (found.batch != nullptr) jobs_.push_back({Future<std::shared_ptr<arrow::RecordBatch>>::Ready(std::move(found.batch))});
      LANCEFS_RETURN_NOT_OK(StartFilters(ctx));
      continue;
    }
    if (!MayCut()) return Status::OK();
    LANCEFS_ASSIGN_OR_RETURN(const bool have, HaveRows(taking() || jobs_.empty(), ctx));
    if (!have) return Status::OK();
    jobs_.push_back(StartFinish(CutPiece(), 0));
  }
  return Status::OK();
}

Result<std::shared_ptr<arrow::RecordBatch>> ScanStream::Next(const OpContext& ctx) {
  const auto slice = static_cast<int64_t>(std::max<uint64_t>(1, plan_->options.max_batch_rows));
  while (left_ > 0) {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    if (batch_ == nullptr) {
      LANCEFS_RETURN_NOT_OK(StartJobs(ctx));
      if (jobs_.empty()) break;
      Result<std::shared_ptr<arrow::RecordBatch>> finished = jobs_.front().result.Get(ctx);
      if (!finished.ok() && MayHalve(finished.status(), jobs_.front().piece)) {
        HalveJob();
        continue;
      }
      LANCEFS_ASSIGN_OR_RETURN(batch_, std::move(finished));
      blob_bytes_ -= jobs_.front().blob_bytes;
      if (!staged()) PieceDone(jobs_.front().piece);
      jobs_.pop_front();
      window_ = std::min(window_ * 2, kMaxWindow);
      ahead_ = std::max(ahead_, std::min(ahead_ * 2, kMaxFragmentsAhead));
      if (!staged() && seen_row_bytes_ == 0) {
        LANCEFS_ASSIGN_OR_RETURN(const uint64_t bytes, BytesOf(*batch_));
        SawFirstPiece(bytes, static_cast<uint64_t>(batch_->num_rows()));
      }
    }
    const auto skipped = static_cast<int64_t>(std::min<uint64_t>(skip_, static_cast<uint64_t>(batch_->num_rows())));
    skip_ -= static_cast<uint64_t>(skipped);
    const int64_t length =
        std::min({slice, batch_->num_rows() - skipped, static_cast<int64_t>(std::min<uint64_t>(left_, INT64_MAX))});
    std::shared_ptr<arrow::RecordBatch> out = batch_->Slice(skipped, length);
    batch_ = skipped + length < batch_->num_rows() ? batch_->Slice(skipped + length) : nullptr;
    if (length == 0) continue;
    left_ -= static_cast<uint64_t>(length);
    return out;
  }
  cancel_.cancel.Cancel();  // what runs ahead is not wanted any more
  filters_.clear();
  jobs_.clear();
  return std::shared_ptr<arrow::RecordBatch>();
}

Status InitializeCompute() {
  static const Status status = FromArrow(arrow::compute::Initialize());
  return status;
}

std::string Names(const std::vector<Field>& fields) {
  std::string names;
  for (const Field& field : fields) names += (names.empty() ? "" : ", ") + field.name;
  return names.empty() ? "none" : names;
}

}  // namespace

Result<std::unique_ptr<BatchStream>> Scan(std::shared_ptr<const Dataset> dataset, ScanOptions options) {
  LANCEFS_RETURN_NOT_OK(InitializeCompute());
  LANCEFS_ASSIGN_OR_RETURN(auto plan, MakePlan(std::move(dataset), std::move(options)));
  auto stream = std::make_unique<ScanStream>(std::move(plan));
  LANCEFS_RETURN_NOT_OK(stream->Init());
  return std::unique_ptr<BatchStream>(std::move(stream));
}

Result<std::shared_ptr<arrow::Schema>> ScanSchema(const Dataset& dataset, const ScanOptions& options) {
  LANCEFS_ASSIGN_OR_RETURN(auto plan, MakePlan(dataset.shared_from_this(), options));
  return plan->schema;
}

Result<uint64_t> CountRows(std::shared_ptr<const Dataset> dataset, ScanOptions options, const OpContext& ctx) {
  options.select.emplace();
  options.with_row_id = false;
  options.with_row_address = false;
  options.reads_all = true;
  if (options.filter == nullptr && !options.take) {
    uint64_t rows = 0;
    for (const FragmentInfo& fragment : dataset->fragments()) {
      if (!options.fragments ||
          std::find(options.fragments->begin(), options.fragments->end(), fragment.id) != options.fragments->end()) {
        rows += fragment.rows();
      }
    }
    rows -= std::min(rows, options.offset);
    return std::min(rows, options.limit.value_or(UINT64_MAX));
  }
  LANCEFS_ASSIGN_OR_RETURN(auto stream, Scan(std::move(dataset), std::move(options)));
  uint64_t rows = 0;
  while (true) {
    LANCEFS_ASSIGN_OR_RETURN(auto batch, stream->Next(ctx));
    if (batch == nullptr) return rows;
    rows += static_cast<uint64_t>(batch->num_rows());
  }
}

Result<std::string> ExplainScan(const Dataset& dataset, const ScanOptions& options) {
  LANCEFS_ASSIGN_OR_RETURN(auto plan, MakePlan(dataset.shared_from_this(), options));
  std::string text = "version: " + std::to_string(dataset.version()) + "\n";
  const size_t fragments = options.fragments ? options.fragments->size() : dataset.fragments().size();
  text += "fragments: " + std::to_string(fragments) + " of " + std::to_string(dataset.fragments().size()) + "\n";
  text += "rows before the filter: " + std::to_string(dataset.num_rows()) + "\n";
  if (options.take) text += "take: " + std::to_string(options.take->size()) + " row offsets\n";
  if (options.filter != nullptr) {
    text += "filter: " + options.filter->ToString() + "\n";
    text += "columns read first, for the filter: " + Names(plan->early) + "\n";
    std::vector<Field> late = plan->blobs;
    late.insert(late.end(), plan->late.begin(), plan->late.end());
    text += "columns read for matching rows only: " + Names(late) + "\n";
  } else {
    text += "columns read: " + Names(plan->all) + "\n";
  }
  if (options.offset != 0) text += "offset: " + std::to_string(options.offset) + "\n";
  if (options.limit) text += "limit: " + std::to_string(*options.limit) + "\n";
  text += "output: " + plan->schema->ToString() + "\n";
  return text;
}

Result<std::shared_ptr<arrow::RecordBatch>> Take(std::shared_ptr<const Dataset> dataset, const std::vector<uint64_t>& offsets,
                                                 const std::vector<std::string>& columns, const OpContext& ctx) {
  ScanOptions options;
  options.take = offsets;
  options.select.emplace();
  for (const std::string& column : columns) {
    if (dataset->schema().Find(column) == nullptr) return Status::InvalidArgument("there is no column '" + column + "'");
    options.select->push_back({column, nullptr, {column}});
  }
  LANCEFS_ASSIGN_OR_RETURN(auto stream, Scan(dataset, options));
  arrow::RecordBatchVector batches;
  while (true) {
    LANCEFS_ASSIGN_OR_RETURN(auto batch, stream->Next(ctx));
    if (batch == nullptr) break;
    batches.push_back(std::move(batch));
  }
  LANCEFS_ARROW_ASSIGN(auto table, arrow::Table::FromRecordBatches(stream->schema(), batches));
  LANCEFS_ARROW_ASSIGN(auto sorted, table->CombineChunksToBatch());
  std::vector<uint64_t> unique = offsets;
  std::sort(unique.begin(), unique.end());
  unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
  arrow::Int64Builder builder;
  for (const uint64_t offset : offsets) {
    LANCEFS_ARROW_NOT_OK(builder.Append(std::lower_bound(unique.begin(), unique.end(), offset) - unique.begin()));
  }
  LANCEFS_ARROW_ASSIGN(auto positions, builder.Finish());
  LANCEFS_ARROW_ASSIGN(const arrow::Datum taken, arrow::compute::Take(arrow::Datum(sorted), arrow::Datum(positions)));
  return taken.record_batch();
}

}  // namespace lancefs
